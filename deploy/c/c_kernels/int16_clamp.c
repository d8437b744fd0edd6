static int16_t int16_clamp(int32_t value, int32_t lo, int32_t hi)
{
    return (int16_t)(value < lo ? lo : value > hi ? hi : value);
}

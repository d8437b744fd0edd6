static int8_t clamp(int32_t value, int32_t lo, int32_t hi)
{
    return (int8_t)(value < lo ? lo : value > hi ? hi : value);
}

/* The nearest number of the format, of two equally near ones the even. */
static float narrow(float x, const number_format *f)
{
    float_bits v;
    v.value = x;
    const uint32_t sign = v.bits & 0x80000000u, magnitude = v.bits & 0x7fffffffu, one = 1;
    if (magnitude > 0x7f800000u) return x;
    if (magnitude >= f->least) {
        const uint32_t half = one << (f->drop - 1), odd = magnitude >> f->drop & 1;
        const uint32_t near = (magnitude + half - 1 + odd) & ~(2 * half - 1);
        v.bits = sign | (near > f->largest ? f->beyond : near);
        return v.value;
    }
    const uint32_t fraction = magnitude & 0x7fffffu, exponent = magnitude >> 23;
    const uint32_t significand = exponent > 0 ? fraction | 0x800000u : fraction;
    const uint32_t drop = (uint32_t)f->drop + (f->least >> 23) - (exponent > 0 ? exponent : 1);
    uint32_t units = 0;
    if (drop < 26) units = (significand + (one << (drop - 1)) - 1 + (significand >> drop & 1)) >> drop;
    v.value = (float)units * f->unit;
    v.bits |= sign;
    return v.value;
}

typedef union {
    float value;
    uint32_t bits;
} float_bits;

static const number_format format_float16 = {13, 15, 0x38800000u, 0x477fe000u, 0x7f800000u, 5.9604644775390625e-8f};

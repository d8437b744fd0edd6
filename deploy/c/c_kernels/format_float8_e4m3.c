static const number_format format_float8_e4m3 = {20, 7, 0x3c800000u, 0x43e00000u, 0x43e00000u, 0.001953125f};

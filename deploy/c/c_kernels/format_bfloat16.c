static const number_format format_bfloat16 = {16, 15, 0x00800000u, 0x7f7f0000u, 0x7f800000u, 9.18354962e-41f};

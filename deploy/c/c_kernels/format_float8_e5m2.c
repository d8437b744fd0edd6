static const number_format format_float8_e5m2 = {21, 7, 0x38800000u, 0x47600000u, 0x47600000u, 1.52587890625e-5f};

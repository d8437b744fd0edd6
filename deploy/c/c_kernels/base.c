/* Shifts of negative numbers are arithmetic and conversions wrap around.  C99 leaves both to the compiler, so that it is
 * asked here. */
typedef char shifts_must_be_arithmetic[(-1 >> 1) == -1 && ((int64_t)-1 >> 1) == -1 ? 1 : -1];
typedef char conversions_must_wrap[(int32_t)UINT32_MAX == -1 ? 1 : -1];

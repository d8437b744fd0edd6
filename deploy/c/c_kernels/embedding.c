/* y = for each code of x its row of the table, of dim codes. */
static void embedding(const int8_t *table, int32_t dim, int32_t count, const int8_t *x, int8_t *y)
{
    for (int32_t i = 0; i < count; i++) {
        const int8_t *row = table + (x[i] + 128) * dim;
        for (int32_t k = 0; k < dim; k++) *y++ = row[k];
    }
}

#include "quant/channel_sums.h"

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t channel_products(ChannelWeights w, int zero_point, int qmin, int qmax)
{
    const int64_t max_magnitude = larger(qmax - zero_point, zero_point - qmin);
    const int64_t most = larger(magnitude(qmin), magnitude(qmax));
    return larger(w.magnitude * max_magnitude, w.magnitude * most + magnitude(zero_point * w.total));
}

Status channel_sums_check(int channel, int64_t products, int64_t bias, double M, int bits)
{
    const int64_t most = products + magnitude(bias);
    if (most >= INT64_C(1) << bits)
        return status_fail(STATUS_UNSUPPORTED, "channel %d: sums up to %lld with bias %lld; must stay below 2^%d",
                           channel, (long long)most, (long long)bias, bits);
    /* At least 1: the multiplier alone must have an exponent that the fixed-point forms can hold. */
    if (!(M * (double)larger(most, 1) < 0x1p30))
        return status_fail(STATUS_UNSUPPORTED,
                           "channel %d: sums up to %lld times the multiplier %g; must stay below 2^30", channel,
                           (long long)most, M);
    return STATUS_OK;
}

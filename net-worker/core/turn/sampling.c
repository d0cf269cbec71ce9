/* The choice among relays: see sampling.h. */
#include "net-worker/core/turn/sampling.h"

#include <stdlib.h>

#include "common/sort.h"

/* Deviations below this are noise. */
#define DEVIATION_MIN_US 2000
#define DEVIATIONS       3

static int
compare_samples(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int64_t
median_sample(int64_t *values, size_t count)
{
	size_t half = count / 2;

	sort(values, count, sizeof(*values), compare_samples);
	if (count % 2 == 1)
		return values[half];
	return (values[half - 1] + values[half]) / 2;
}

int64_t
sampling_threshold_us(int64_t *rtt_us, size_t count)
{
	int64_t middle = median_sample(rtt_us, count), deviation;

	if (count < 3)
		return rtt_us[0] + rtt_us[0] / 2;
	for (size_t i = 0; i < count; i++)
		rtt_us[i] = llabs(rtt_us[i] - middle);
	deviation = median_sample(rtt_us, count);
	if (deviation < DEVIATION_MIN_US)
		deviation = DEVIATION_MIN_US;
	return middle + DEVIATIONS * deviation;
}

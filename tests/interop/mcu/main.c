/* Runs model.c, a model exported to C, on images of a file:  program INPUT OUTPUT IMAGES
 * INPUT holds the input's codes, image after image; the logits go to OUTPUT, codes of 8, 16 or 32 bits or floats. */
#include "host.h"
#include "model.h"

static int8_t input[MODEL_INPUT_BYTES];
#ifndef MODEL_OUTPUTS
static int8_t output[MODEL_OUTPUT_BYTES];
#elif defined(MODEL_OUTPUT_SCALE) && MODEL_OUTPUT_BYTES == 4 * MODEL_OUTPUTS
static int32_t output[MODEL_OUTPUTS];
#elif defined(MODEL_OUTPUT_SCALE)
static int16_t output[MODEL_OUTPUTS];
#else
static float output[MODEL_OUTPUTS];
#endif

static uint32_t number(const char *text)
{
    uint32_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++) n = n * 10u + (uint32_t)(*text - '0');
    return *text == '\0' ? n : 0u;
}

static void print_number(const char *before, uint32_t n)
{
    char digits[11], *p = digits + sizeof digits - 1;
    *p = '\0';
    do *--p = (char)('0' + n % 10u);
    while ((n /= 10u) != 0u);
    host_print(before);
    host_print(p);
}

static int fail(const char *what)
{
    host_print(what);
    host_print("\n");
    return 1;
}

int test_main(int arguments, char *const *argument)
{
    const uint32_t images = arguments == 4 ? number(argument[3]) : 0u;
    uint32_t i, instructions = 0u;
    if (images == 0u) return fail("usage: program INPUT OUTPUT IMAGES");
#ifdef MODEL_SELF_TEST
    if (model_self_test() != 0) return fail("the model's self-test failed");
#endif
    if (host_open_input(argument[1]) != 0) return fail("INPUT cannot be opened");
    if (host_open_output(argument[2]) != 0) return fail("OUTPUT cannot be opened");
    for (i = 0u; i < images; i++) {
        if (host_read(input, sizeof input) != 0) return fail("INPUT holds fewer images");
        (void)host_instructions();
        model_run(input, output);
        instructions = host_instructions();
        if (host_write(output, sizeof output) != 0) return fail("OUTPUT cannot be written");
    }
    if (host_close() != 0) return fail("OUTPUT cannot be written");
    print_number("images ", images);
    print_number(" instructions ", instructions);
    print_number(" stack ", host_stack_bytes());
    host_print("\n");
    return 0;
}

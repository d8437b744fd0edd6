/* What a program that embeds bitfold looks like: trains a config into a run directory, evaluates the model in it, and
 * prints the accuracy. */
#include <bitfold.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    double accuracy = 0.0, again = -1.0;
    if (argc == 3 && bitfold_train(argv[1], argv[2], &accuracy) == 0 &&
        bitfold_evaluate(argv[2], NULL, NULL, &again) == 0)
        return printf("%.4f\n", accuracy) < 0 || again != accuracy;
    fprintf(stderr, "%s\n", argc == 3 ? bitfold_message() : "usage: embed CONFIG DIR");
    return 1;
}

#ifndef BITFOLD_CLI_OPTIONS_H
#define BITFOLD_CLI_OPTIONS_H

#include "cli/cli.h"

/* Reads the options and arguments that follow the verb.  -1: go on; otherwise the exit code (help was asked for, or one
 * line on stderr says what is wrong). */
int options_parse(Arena *arena, const Verb *verb, int argc, char **argv, Options *options);

#endif

/* A graph as a .tflite file, and the model that such a file holds. */
#ifndef BITFOLD_TESTS_SUPPORT_TFLITE_FILE_H
#define BITFOLD_TESTS_SUPPORT_TFLITE_FILE_H

#include "deploy/tflite/tflite_model.h"
#include "graph/graph.h"

/* `options` as JSON, NULL: none. */
Status tflite_export(Arena *arena, const Graph *g, const char *path, const char *options);
/* Fails the test unless the file is sound. */
TfliteModel *tflite_read_back(Arena *arena, const char *path);

#endif

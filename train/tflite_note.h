/* What a model's TFLite file will cost that another choice of bits would not, to be told before it is trained. */
#ifndef BITFOLD_TRAIN_TFLITE_NOTE_H
#define BITFOLD_TRAIN_TFLITE_NOTE_H

#include "layers/model.h"

/* TFLite clips codes at int8's ends and at real zero; signed outputs below 8 bits need two operators more, MAXIMUM and
 * MINIMUM.  A note with the assignment that gives these layers 8 bits and leaves all else as it is; NULL: there are no
 * such layers, or no TFLite runtime rounds as the model's rounding. */
const char *tflite_note(Arena *arena, const Model *m);

#endif

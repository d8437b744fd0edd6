#ifndef BITFOLD_H
#define BITFOLD_H
#define BITFOLD_VERSION "0.1.0"
#endif

/* What groups of channels are worth to a network: the order in which pruning removes them. */
#ifndef BITFOLD_COMPRESS_CHANNEL_SCORES_H
#define BITFOLD_COMPRESS_CHANNEL_SCORES_H

#include "compress/channel_groups.h"
#include "compress/ptq_images.h"
#include "tasks/task.h"

/* Of a channel that a layer makes, with w its row of the weight:
 *   taylor  the loss it is thought to change: (sum over parameters p of the group of p dL/dp)^2, a mean over batches of
 *           images; p are weights, bias, gamma and beta of the group's channels (Molchanov et al. 2019, arXiv 1906.10771,
 *           eq. 8, of all parameters of a group as one);
 *   l1      sum |w|, over its mean in the layer (Li et al. 2017, arXiv 1608.08710, which compares within a layer);
 *   gamma   |gamma| of batch norm (Liu et al. 2017, arXiv 1708.06519).
 * l1 and gamma of a group are means over its channels; gamma over those that have batch norm. */
typedef enum { SCORE_TAYLOR, SCORE_L1, SCORE_GAMMA, CHANNEL_SCORES } ChannelScore;
extern const char *const channel_score_names[]; /* NULL-ended */

enum { SCORE_BATCH = 32 };

/* Writes score[groups->n], 0 or more and finite, of groups that can go (of others 0).  images are looked at by taylor alone,
 * SCORE_BATCH at a time, in floats with the running statistics of batch norm; m is the groups' model, whose parameters
 * stay as they are and whose gradients are overwritten.  STATUS_STATE names a layer without batch norm. */
Status channel_scores(ChannelScore kind, const ChannelGroups *groups, Model *m, const Task *task,
                      const PtqImages *images, double *score);

#endif

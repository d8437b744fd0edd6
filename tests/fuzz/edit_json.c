#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

enum { MOST_NODES = 4096 };

typedef struct {
    cJSON *item, *parent; /* parent NULL: the root */
} TapeNode;

static int collect(cJSON *item, cJSON *parent, TapeNode *list, int n)
{
    if (n == MOST_NODES) return n;
    list[n++] = (TapeNode){item, parent};
    for (cJSON *c = item->child; c != NULL; c = c->next) n = collect(c, item, list, n);
    return n;
}

static double odd_number(Rng *rng, double now)
{
    static const double odd[] = {0,      1,      -1,    2,     3,       4,          7,      8,       16,
                                 127,    128,    -128,  -129,  255,     256,        1024,   4096,    4097,
                                 65535,  65536,  65537, 1e6,   1 << 26, 0x1p31 - 1, 0x1p31, -0x1p31, 0x1p32,
                                 0x1p53, 0x1p63, 0.5,   1e-45, 1e-310,  1e38,       1e308,  -1e308};
    switch (rng_below(rng, 4)) {
    case 0:
        return now + 1;
    case 1:
        return now - 1;
    case 2:
        return (double)rng_below(rng, 12);
    default:
        return odd[rng_below(rng, sizeof odd / sizeof odd[0])];
    }
}

static cJSON *odd_item(Rng *rng)
{
    switch (rng_below(rng, 7)) {
    case 0:
        return cJSON_CreateNull();
    case 1:
        return cJSON_CreateBool((int)rng_below(rng, 2));
    case 2:
        return cJSON_CreateArray();
    case 3:
        return cJSON_CreateObject();
    case 4:
        return cJSON_CreateString("");
    case 5:
        return cJSON_CreateString("input");
    default:
        return cJSON_CreateNumber(odd_number(rng, 0));
    }
}

static void put_string(cJSON *item, const char *text)
{
    char *copy = cJSON_malloc(strlen(text) + 1);
    strcpy(copy, text);
    cJSON_free(item->valuestring);
    item->valuestring = copy;
}

/* Takes the place of `node`, with its key. */
static void put_item(const TapeNode *node, cJSON *item)
{
    if (cJSON_IsObject(node->parent)) {
        char *key = cJSON_malloc(strlen(node->item->string) + 1);
        strcpy(key, node->item->string);
        cJSON_free(item->string);
        item->string = key;
    }
    cJSON_ReplaceItemViaPointer(node->parent, node->item, item);
}

static void add_copy(const TapeNode *node, const TapeNode *to, Rng *rng)
{
    cJSON *copy = cJSON_Duplicate(node->item, 1);
    bool taken = false;
    if (cJSON_IsArray(to->item)) {
        const uint32_t n = (uint32_t)cJSON_GetArraySize(to->item);
        taken = cJSON_InsertItemInArray(to->item, (int)rng_below(rng, n + 1), copy);
    } else if (cJSON_IsObject(to->item)) {
        char key[16];
        snprintf(key, sizeof key, "x%u", rng_below(rng, 100));
        const char *name = node->item->string == NULL || rng_below(rng, 2) == 0 ? key : node->item->string;
        taken = cJSON_AddItemToObject(to->item, name, copy);
    }
    if (!taken) cJSON_Delete(copy);
}

static void edit(TapeNode *node, const TapeNode *other, Rng *rng)
{
    cJSON *item = node->item;
    const uint32_t choice = rng_below(rng, 10);
    if (choice < 6 && cJSON_IsNumber(item))
        cJSON_SetNumberHelper(item, odd_number(rng, item->valuedouble));
    else if (choice < 6 && cJSON_IsString(item) && cJSON_IsString(other->item))
        put_string(item, other->item->valuestring);
    else if (node->parent == NULL)
        return;
    else if (choice == 6)
        cJSON_Delete(cJSON_DetachItemViaPointer(node->parent, item));
    else if (choice == 7)
        put_item(node, odd_item(rng));
    else if (choice == 8)
        put_item(node, cJSON_Duplicate(other->item, 1));
    else
        add_copy(other, &(TapeNode){node->parent, NULL}, rng);
}

void fuzz_edit_json(cJSON *root, Rng *rng)
{
    TapeNode *list = malloc(MOST_NODES * sizeof *list);
    ASSERT(list != NULL);
    const uint32_t n = (uint32_t)collect(root, NULL, list, 0);
    /* Leaves are many: half of the time something not far below the root. */
    const uint32_t at = rng_below(rng, 2) == 0 ? rng_below(rng, n) : rng_below(rng, n < 24 ? n : 24);
    const uint32_t other = rng_below(rng, 2) == 0 ? rng_below(rng, n) : (at + 1) % n;
    edit(&list[at], &list[other], rng);
    free(list);
}

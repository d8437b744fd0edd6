/* Members of a JSON object that must be there. */
#ifndef BITFOLD_TESTS_SUPPORT_JSON_VALUES_H
#define BITFOLD_TESTS_SUPPORT_JSON_VALUES_H

#include <check.h>

#include "base/json.h"

static inline double number(const cJSON *json, const char *key)
{
    const cJSON *item = json_get(json, key);
    ck_assert_msg(cJSON_IsNumber(item), "\"%s\" is no number", key);
    return item->valuedouble;
}

static inline const char *text(const cJSON *json, const char *key)
{
    const cJSON *item = json_get(json, key);
    ck_assert_msg(cJSON_IsString(item), "\"%s\" is no string", key);
    return item->valuestring;
}

#endif

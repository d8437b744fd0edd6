/* What every table of fields must hold, whatever reads it. */
#ifndef BITFOLD_TESTS_SUPPORT_CHECK_FIELDS_H
#define BITFOLD_TESTS_SUPPORT_CHECK_FIELDS_H

#include <string.h>

#include "base/field.h"
#include "tests/support/suite.h"

static inline void check_fields(const Field *fields, size_t bytes)
{
    for (const Field *f = fields; f->name != NULL; f++) {
        ck_assert_msg(f->doc != NULL && f->doc[0] != '\0' && f->def != NULL, "%s", f->name);
        ck_assert_uint_lt(f->offset, bytes);
        cJSON *def = cJSON_Parse(f->def);
        ck_assert_msg(def != NULL, "%s", f->name);
        if (f->type == FIELD_FLOAT)
            ck_assert_msg(cJSON_IsNumber(def) && def->valuedouble >= f->min && def->valuedouble <= f->max, "%s",
                          f->name);
        else if (f->type == FIELD_BOOL)
            ck_assert_msg(cJSON_IsBool(def), "%s", f->name);
        else if (f->type == FIELD_FLOATS)
            ck_assert_msg(cJSON_IsArray(def), "%s", f->name);
        else
            ck_assert_msg(f->type == FIELD_ENUM && cJSON_IsString(def) && f->names != NULL, "%s", f->name);
        cJSON_Delete(def);
        for (const Field *g = fields; g != f; g++) ck_assert(strcmp(g->name, f->name) != 0 && g->offset != f->offset);
    }
}

#endif

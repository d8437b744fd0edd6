#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static _Thread_local char message[1024];

Status status_fail(Status code, const char *format, ...)
{
    /* Not formatted into the buffer itself: an argument may be the previous message. */
    char text[sizeof message];
    va_list args;
    va_start(args, format);
    text_vformat(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof text);
    return code;
}

Status status_prefix(Status code, const char *format, ...)
{
    char prefix[512];
    va_list args;
    va_start(args, format);
    text_vformat(prefix, sizeof prefix, format, args);
    va_end(args);
    char text[2 * sizeof message];
    snprintf(text, sizeof text, "%s: %s", prefix, message);
    text[sizeof message - 1] = '\0';
    memcpy(message, text, sizeof message);
    return code;
}

const char *status_message(void) { return message; }

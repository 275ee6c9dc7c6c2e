/* Records of which it is sure without a look at the state that they are one refusal each. */
#ifndef FOOTFALL_REFUSALS_H
#define FOOTFALL_REFUSALS_H

#include "short.h"
#include "stored.h"

#define CONTROL_PREFIX "footfall-"

/* Whether it may be a control record: it has no value, and a header whose name begins as theirs do. */
static int may_be_control(const Stored *stored) {
    const int32_t size = sizeof CONTROL_PREFIX - 1;
    const char *at = stored->headers;
    for (int32_t index = 0; stored->value_size < 0 && index < stored->header_count; index++) {
        Header header;
        at = read_header(at, stored->end, &header); /* never NULL, since they were read before */
        if (at == NULL || (header.name_size >= size && memcmp(header.name, CONTROL_PREFIX, (size_t)size) == 0)) {
            return 1;
        }
    }
    return 0;
}

static int verdict_of(const Stored *stored, long long append_time) {
    if (stored->unreadable_to >= 0 || stored->append_time > append_time || stored->value_size >= SHORTEST_EVENT ||
        stored->end - stored->headers > LONGEST_REST - stored->key_size || may_be_control(stored)) {
        return PERHAPS;
    }
    return stored->value_size > 0 ? verdict_of_short(stored->value, stored->value + stored->value_size) : NO_JSON;
}

#endif

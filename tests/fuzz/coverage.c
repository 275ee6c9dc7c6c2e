/* Tells libFuzzer which places of a module that gcc built were reached, and what was compared there.

   gcc calls a function at every place (`-fsanitize-coverage=trace-pc`) and at every comparison (`trace-cmp`); libFuzzer
   reads a counter for each place. It lies in a library of its own, which the variable FOOTFALL_FUZZ_ENGINE names and
   which is loaded already: without that nothing is told, and the module does the same otherwise. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define HERE __attribute__((visibility("hidden")))

enum { PLACES = 1 << 15 }; /* several times as many as the largest module has, so that next to none share one */

typedef struct {
    uintptr_t address, flags;
} Place;

extern const char __ehdr_start[] HERE; /* where the module lies, which is elsewhere in each process */

static uint8_t counters[PLACES];
static Place places[PLACES];
static void (*compare_1)(uint8_t, uint8_t), (*compare_2)(uint16_t, uint16_t);
static void (*compare_4)(uint32_t, uint32_t), (*compare_8)(uint64_t, uint64_t);
static void (*choose)(uint64_t, void *);

HERE void __sanitizer_cov_trace_pc(void) {
    const uintptr_t address = (uintptr_t)__builtin_return_address(0) - (uintptr_t)__ehdr_start;
    const uint32_t slot = (uint32_t)(address * 0x9E3779B97F4A7C15ULL >> 49);
    counters[slot]++;
    places[slot].address = address;
}

/* The calls are the last thing done, so that libFuzzer sees who compares. */
#define TELL(name, told, one_type, other_type)                                                                         \
    HERE void name(one_type one, other_type other) {                                                                   \
        if (told) {                                                                                                    \
            told(one, other);                                                                                          \
        }                                                                                                              \
    }

TELL(__sanitizer_cov_trace_cmp1, compare_1, uint8_t, uint8_t)
TELL(__sanitizer_cov_trace_cmp2, compare_2, uint16_t, uint16_t)
TELL(__sanitizer_cov_trace_cmp4, compare_4, uint32_t, uint32_t)
TELL(__sanitizer_cov_trace_cmp8, compare_8, uint64_t, uint64_t)
TELL(__sanitizer_cov_trace_const_cmp1, compare_1, uint8_t, uint8_t)
TELL(__sanitizer_cov_trace_const_cmp2, compare_2, uint16_t, uint16_t)
TELL(__sanitizer_cov_trace_const_cmp4, compare_4, uint32_t, uint32_t)
TELL(__sanitizer_cov_trace_const_cmp8, compare_8, uint64_t, uint64_t)
TELL(__sanitizer_cov_trace_switch, choose, uint64_t, void *)

static void *found(void *engine, const char *name) {
    return engine ? dlsym(engine, name) : NULL;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FOOTFALL_FUZZ_ENGINE");
    void *engine = path ? dlopen(path, RTLD_NOLOAD | RTLD_NOW) : NULL;
    void (*count)(uint8_t *, uint8_t *) = found(engine, "__sanitizer_cov_8bit_counters_init");
    void (*name)(const Place *, const Place *) = found(engine, "__sanitizer_cov_pcs_init");
    if (count && name) {
        count(counters, counters + PLACES);
        name(places, places + PLACES);
    }
    compare_1 = found(engine, "__sanitizer_cov_trace_cmp1");
    compare_2 = found(engine, "__sanitizer_cov_trace_cmp2");
    compare_4 = found(engine, "__sanitizer_cov_trace_cmp4");
    compare_8 = found(engine, "__sanitizer_cov_trace_cmp8");
    choose = found(engine, "__sanitizer_cov_trace_switch");
}

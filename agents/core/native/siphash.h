/* SipHash-1-3, a hash under a key that nobody outside of the process knows: names and numbers that producers choose cannot be
   chosen to collide in a table. After the public-domain reference of Jean-Philippe Aumasson and Daniel J. Bernstein,
   https://github.com/veorq/SipHash, with the rounds that CPython's own tables use. */
#ifndef FOOTFALL_SIPHASH_H
#define FOOTFALL_SIPHASH_H

#include <Python.h>

#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t first, second;
} HashKey;

typedef struct {
    uint64_t a, b, c, d;
} Sip;

static HashKey hash_key; /* another in each process, see `take_key` */

static inline uint64_t turned(uint64_t word, int by) {
    return word << by | word >> (64 - by);
}

static inline void sip_round(Sip *sip) {
    sip->a += sip->b;
    sip->b = turned(sip->b, 13) ^ sip->a;
    sip->a = turned(sip->a, 32);
    sip->c += sip->d;
    sip->d = turned(sip->d, 16) ^ sip->c;
    sip->a += sip->d;
    sip->d = turned(sip->d, 21) ^ sip->a;
    sip->c += sip->b;
    sip->b = turned(sip->b, 17) ^ sip->c;
    sip->c = turned(sip->c, 32);
}

static inline Sip sip_begin(void) {
    return (Sip){hash_key.first ^ 0x736f6d6570736575ULL, hash_key.second ^ 0x646f72616e646f6dULL,
                 hash_key.first ^ 0x6c7967656e657261ULL, hash_key.second ^ 0x7465646279746573ULL};
}

/* The next eight bytes of the message, the first of them lowest. */
static inline void sip_word(Sip *sip, uint64_t word) {
    sip->d ^= word;
    sip_round(sip);
    sip->a ^= word;
}

/* The bytes that are left; `before` is how many went before, a multiple of eight. */
static inline uint64_t sip_end(Sip sip, const char *at, size_t size, size_t before) {
    const char *const end = at + size;
    for (; end - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sip_word(&sip, word);
    }
    uint64_t last = 0;
    for (int left = (int)(end - at); left > 0; left--) {
        last = last << 8 | (unsigned char)at[left - 1];
    }
    sip_word(&sip, last | (uint64_t)(before + size) << 56);
    sip.c ^= 0xff;
    sip_round(&sip);
    sip_round(&sip);
    sip_round(&sip);
    return sip.a ^ sip.b ^ sip.c ^ sip.d;
}

/* Take the process's key (agents/core/native/key.py); -1 with an exception. */
static int take_key(void) {
    PyObject *holder = PyImport_ImportModule("agents.core.native.key");
    PyObject *bytes = holder ? PyObject_GetAttrString(holder, "KEY") : NULL;
    Py_XDECREF(holder);
    const int held = bytes && PyBytes_Check(bytes) && PyBytes_GET_SIZE(bytes) == (Py_ssize_t)sizeof(hash_key);
    if (held) {
        memcpy(&hash_key, PyBytes_AS_STRING(bytes), sizeof(hash_key));
    } else if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_RuntimeError, "no key of tables");
    }
    Py_XDECREF(bytes);
    return held ? 0 : -1;
}

#endif

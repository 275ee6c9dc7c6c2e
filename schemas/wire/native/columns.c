/* The compiled form of schemas/wire/columns.py: 64-bit numbers to a MessagePack array and back. A property test holds both forms
   to the same bytes. The format: https://github.com/msgpack/msgpack/blob/master/spec.md */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { FIX_ARRAY = 0x90, ARRAY_16 = 0xdc, ARRAY_32 = 0xdd, UINT_8 = 0xcc, INT_8 = 0xd0, MOST_HEAD = 5, MOST_NUMBER = 9 };

static unsigned char *put_bytes(unsigned char *at, uint64_t value, int size) {
    for (int byte = size - 1; byte >= 0; byte--) {
        *at++ = (unsigned char)(value >> 8 * byte);
    }
    return at;
}

/* The width of a number as a power of two: 0 for 1 byte up to 3 for 8. */
static int width_of(uint64_t value) {
    return value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
}

static inline unsigned char *put_number(unsigned char *at, int64_t value) {
    if (value >= -32 && value <= INT8_MAX) {
        *at = (unsigned char)value;
        return at + 1;
    }
    int width = value > 0 ? width_of((uint64_t)value) : 0;
    if (value < 0) {
        width = value >= INT8_MIN ? 0 : value >= INT16_MIN ? 1 : value >= INT32_MIN ? 2 : 3;
    }
    *at = (unsigned char)((value > 0 ? UINT_8 : INT_8) + width);
    return put_bytes(at + 1, (uint64_t)value, 1 << width);
}

static unsigned char *put_head(unsigned char *at, uint64_t count) {
    if (count < 16) {
        *at = (unsigned char)(FIX_ARRAY | count);
        return at + 1;
    }
    const int is_short = count <= UINT16_MAX;
    *at = is_short ? ARRAY_16 : ARRAY_32;
    return put_bytes(at + 1, count, is_short ? 2 : 4);
}

PyDoc_STRVAR(pack_doc, "pack(column) -> bytes\n\nThe MessagePack of an array of 64-bit numbers, each in its shortest form.");

static PyObject *pack(PyObject *Py_UNUSED(module), PyObject *given) {
    Py_buffer column;
    if (PyObject_GetBuffer(given, &column, PyBUF_FORMAT) < 0) {
        return NULL;
    }
    PyObject *packed = NULL;
    if (column.itemsize != sizeof(int64_t) || column.format == NULL || strcmp(column.format, "q") != 0) {
        PyErr_SetString(PyExc_TypeError, "a column is an array of 64-bit numbers");
    } else if (column.len / column.itemsize > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "a column of more than 2^32 numbers");
    } else {
        packed = PyBytes_FromStringAndSize(NULL, column.len / column.itemsize * MOST_NUMBER + MOST_HEAD);
    }
    if (packed != NULL) {
        const int64_t *numbers = column.buf;
        unsigned char *const begin = (unsigned char *)PyBytes_AS_STRING(packed);
        unsigned char *at = put_head(begin, (uint64_t)(column.len / column.itemsize));
        for (Py_ssize_t index = 0; index < column.len / column.itemsize; index++) {
            at = put_number(at, numbers[index]);
        }
        _PyBytes_Resize(&packed, at - begin);
    }
    PyBuffer_Release(&column);
    return packed;
}

/* ---- reading */

static uint64_t bytes_at(const unsigned char *at, int size) {
    uint64_t value = 0;
    for (int byte = 0; byte < size; byte++) {
        value = value << 8 | at[byte];
    }
    return value;
}

/* Past the number, NULL where there is none of 64 bits. */
static inline const unsigned char *take_number(const unsigned char *at, const unsigned char *end, int64_t *found) {
    if (at >= end) {
        return NULL;
    }
    const unsigned char head = *at++;
    if (head <= INT8_MAX || head >= 0xe0) {
        *found = (int8_t)head;
        return at;
    }
    if (head < UINT_8 || head > INT_8 + 3) {
        return NULL;
    }
    const int size = 1 << (head & 3);
    if (end - at < size) {
        return NULL;
    }
    const uint64_t value = bytes_at(at, size);
    if (head < INT_8) {
        *found = (int64_t)value;
        return value <= INT64_MAX ? at + size : NULL;
    }
    const int unused = 64 - 8 * size;
    *found = (int64_t)(value << unused) >> unused;
    return at + size;
}

/* Past the head of an array, NULL where there is none. */
static const unsigned char *take_head(const unsigned char *at, const unsigned char *end, uint64_t *count) {
    if (at >= end) {
        return NULL;
    }
    const unsigned char head = *at++;
    if ((head & 0xf0) == FIX_ARRAY) {
        *count = head & 0x0f;
        return at;
    }
    const int size = head == ARRAY_16 ? 2 : head == ARRAY_32 ? 4 : 0;
    if (size == 0 || end - at < size) {
        return NULL;
    }
    *count = bytes_at(at, size);
    return at + size;
}

PyDoc_STRVAR(unpack_doc,
    "unpack(data, least, most) -> bytes\n\nThe numbers of a MessagePack array as they lie in an array of 64-bit numbers. Raises\n"
    "ValueError where the data is anything else, or holds a number below `least` or above `most`.");

static PyObject *unpack(PyObject *Py_UNUSED(module), PyObject *arguments) {
    Py_buffer data;
    long long least, most;
    if (!PyArg_ParseTuple(arguments, "y*LL", &data, &least, &most)) {
        return NULL;
    }
    const unsigned char *at = data.buf, *const end = at + data.len;
    uint64_t count = 0;
    at = take_head(at, end, &count);
    int within = 1;
    PyObject *column = NULL;
    if (at != NULL && count <= (uint64_t)(end - at)) { /* a number is a byte at least */
        column = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(count * sizeof(int64_t)));
        char *to = column ? PyBytes_AS_STRING(column) : NULL;
        for (uint64_t index = 0; to && at && index < count; index++, to += sizeof(int64_t)) {
            int64_t number = 0;
            at = take_number(at, end, &number);
            memcpy(to, &number, sizeof number);
            within &= number >= least && number <= most;
        }
        if (at != end || !within) {
            Py_CLEAR(column);
        }
    }
    if (column == NULL && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "no column of such numbers");
    }
    PyBuffer_Release(&data);
    return column;
}

static PyMethodDef module_methods[] = {
    {"pack", pack, METH_O, pack_doc},
    {"unpack", unpack, METH_VARARGS, unpack_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "schemas.wire.native.columns",
    .m_doc = "Columns of numbers, compiled.",
    .m_methods = module_methods,
};

PyMODINIT_FUNC PyInit_columns(void) {
    return PyModuleDef_Init(&module);
}

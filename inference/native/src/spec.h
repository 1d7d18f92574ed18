/* The numbers of docs/spec/arithmetic.md, each in one place.
 *
 * Python has them in inference/models/layout.py, profiles.py and engine.py;
 * tests/parity/test_native_constants.py compares. */
#ifndef ASSAY_SPEC_H
#define ASSAY_SPEC_H

enum {
    /* §1: bounds the residual stream, biases and logits. */
    REST = (1 << 30) - 1,

    /* §2 */
    MAX_VOCAB = 65536,
    MAX_CONTEXT = 1024,
    MAX_WIDTH = 2047,
    MAX_INNER = 8192,
    MAX_LAYERS = 96,
    MAX_HEAD_WIDTH = 128,

    /* §2: terms per block and the bits that a block's sum loses. */
    W8A16_BLOCK = 512,
    W8A16_SHIFT = 4,
    W8B8_BLOCK = 128,
    W8B8_SHIFT = 4,
    W12A16_BLOCK = 32,
    W12A16_SHIFT = 8,

    /* §5: f. Up to 1023 channels sqrt(n) * 2^10 < 32767, so that none can saturate;
     * a wider norm has one bit less. */
    NORM_FRACTION = 10,
    WIDE_NORM = 1024,
    MAX_EPSILON = (1 << 30) - 1,

    /* §6 */
    KEY_LIMIT = 4095, /* also of queries */
    VALUE_LIMIT = 32767,

    /* §7: logits are computed in Q10 and shifted to Q16. */
    HEAD_LIMIT = (1 << 24) - 1,
    LOGIT_SHIFT = 6,

    /* §8 */
    MILLION = 1000000,
    MAX_TEMPERATURE = 100000000,

    /* §9: tensors that stand alone, those of each layer, entries of an activation. */
    GLOBAL_TENSORS = 7,
    LAYER_TENSORS = 16,
    TABLE_SIZE = 65536
};

#endif

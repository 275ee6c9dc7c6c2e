package footfall.bench;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** The sequence numbers counted of one source: the first that was not, then those counted beyond it, ascending. */
final class Seen {
    private Seen() {}

    /** The state after {@code number}; null where it was counted before. {@code state} null is a source never seen. */
    static byte[] with(byte[] state, long number) {
        long first = state == null ? 0 : ByteBuffer.wrap(state).getLong();
        if (number < first) {
            return null;
        }
        if (number == first && (state == null || state.length == Long.BYTES)) {
            return ByteBuffer.allocate(Long.BYTES).putLong(number + 1).array();
        }
        return beyond(state, first, number);
    }

    private static byte[] beyond(byte[] state, long first, long number) {
        long[] ahead = state == null ? new long[0] : new long[state.length / Long.BYTES - 1];
        if (state != null) {
            ByteBuffer.wrap(state, Long.BYTES, state.length - Long.BYTES).asLongBuffer().get(ahead);
        }
        int at = Arrays.binarySearch(ahead, number);
        if (at >= 0) {
            return null;
        }
        long[] all = Arrays.copyOf(ahead, ahead.length + 1);
        System.arraycopy(ahead, -at - 1, all, -at, ahead.length + at + 1);
        all[-at - 1] = number;
        int joined = 0;
        while (joined < all.length && all[joined] == first + joined) {
            joined++;
        }
        ByteBuffer next = ByteBuffer.allocate(Long.BYTES * (1 + all.length - joined)).putLong(first + joined);
        for (int rest = joined; rest < all.length; rest++) {
            next.putLong(all[rest]);
        }
        return next.array();
    }
}

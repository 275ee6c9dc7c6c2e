package footfall.bench;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Keyed pseudonyms of users, 16 bytes each, the latest kept in memory. HMAC-SHA-256, cut: the keyed hash that a Java
 * runtime has by itself (and has in machine code), where Python's has BLAKE2b.
 */
final class Pseudonyms {
    private static final int BYTES = 16;
    private static final int KEPT = 1 << 17;

    private final Mac mac;
    private final Map<String, byte[]> kept =
        new LinkedHashMap<>(1024, 0.75f, true) {
            private static final long serialVersionUID = 1L;

            @Override
            protected boolean removeEldestEntry(Map.Entry<String, byte[]> eldest) {
                return size() > KEPT;
            }
        };

    Pseudonyms(byte[] secret) {
        try {
            mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(secret, "HmacSHA256"));
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException(error);
        }
    }

    byte[] of(String company, String user) {
        return kept.computeIfAbsent(
            company + '\0' + user,
            text -> Arrays.copyOf(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)), BYTES));
    }
}

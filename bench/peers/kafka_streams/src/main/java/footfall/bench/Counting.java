package footfall.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Counts the events of its partition, and sends each changed figure once a second. The figures restored at a start are
 * sent again, since the last change before a crash may have been committed and not yet sent.
 */
final class Counting implements Processor<String, byte[], String, String> {
    static final String SEEN = "seen";
    static final String FIGURES = "figures";
    static final String ACTIVE = "active";

    private static final Duration EMIT_INTERVAL = Duration.ofSeconds(1);
    private static final byte[] PRESENT = new byte[0];

    private final Pseudonyms pseudonyms;
    private final Event event = new Event();
    private final Map<String, Long> changed = new HashMap<>();
    private ProcessorContext<String, String> context;
    private KeyValueStore<String, byte[]> seen;
    private KeyValueStore<String, Long> figures;
    private KeyValueStore<Bytes, byte[]> active;

    Counting(byte[] secret) {
        pseudonyms = new Pseudonyms(secret);
    }

    @Override
    public void init(ProcessorContext<String, String> given) {
        context = given;
        seen = given.getStateStore(SEEN);
        figures = given.getStateStore(FIGURES);
        active = given.getStateStore(ACTIVE);
        try (KeyValueIterator<String, Long> restored = figures.all()) {
            while (restored.hasNext()) {
                KeyValue<String, Long> figure = restored.next();
                changed.put(figure.key, figure.value);
            }
        }
        given.schedule(EMIT_INTERVAL, PunctuationType.WALL_CLOCK_TIME, this::emit);
    }

    @Override
    public void process(Record<String, byte[]> record) {
        if (record.value() == null) {
            return; // a control record of the topic
        }
        try {
            Event.readAll(record.value(), event, this::count);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private void emit(long now) {
        changed.forEach((id, value) -> context.forward(new Record<>(id, value.toString(), now)));
        changed.clear();
    }

    private void count(Event counted) {
        String source = counted.company + '|' + counted.source;
        byte[] next = Seen.with(seen.get(source), counted.sequence);
        if (next == null) {
            return;
        }
        seen.put(source, next);
        String metric = metric(counted);
        if (metric != null) {
            add(counted.company + '|' + metric + "|PT1H|" + counted.hour() + '|' + dimensions(counted));
        }
        String user = counted.data.get("user");
        if (user != null && activates(counted)) {
            activate(counted, user);
        }
    }

    private void activate(Event counted, String user) {
        String day = counted.day();
        byte[] start = (counted.company + '|' + day + '|').getBytes(StandardCharsets.UTF_8);
        byte[] pseudonym = pseudonyms.of(counted.company, user);
        byte[] key = new byte[start.length + pseudonym.length];
        System.arraycopy(start, 0, key, 0, start.length);
        System.arraycopy(pseudonym, 0, key, start.length, pseudonym.length);
        if (active.putIfAbsent(Bytes.wrap(key), PRESENT) == null) {
            add(counted.company + "|dau|P1D|" + day + '|');
        }
    }

    private void add(String id) {
        Long before = figures.get(id);
        long value = before == null ? 1 : before + 1;
        figures.put(id, value);
        changed.put(id, value);
    }

    private static String metric(Event counted) {
        return switch (counted.type) {
            case "user.created" -> "users_created";
            case "folder.created" -> "folders_created";
            case "group.created" -> "groups_created";
            case "chat.created" -> "chats_created";
            case "space.created" -> "spaces_created";
            case "message.sent" -> byAssistant(counted) ? "assistant_messages" : "user_messages";
            case "feedback.given" -> "feedback";
            case "prompt.submitted" -> "prompts";
            default -> null;
        };
    }

    private static String dimensions(Event counted) {
        Map<String, String> data = counted.data;
        return switch (counted.type) {
            case "folder.created" -> "kind=" + data.get("kind");
            case "feedback.given" -> "sentiment=" + data.get("sentiment");
            case "prompt.submitted" -> "assistant=" + data.get("assistant") + ",module=" + data.get("module");
            default -> "";
        };
    }

    private static boolean activates(Event counted) {
        return !counted.type.equals("consent.changed") && !byAssistant(counted);
    }

    private static boolean byAssistant(Event counted) {
        return counted.type.equals("message.sent") && "assistant".equals(counted.data.get("role"));
    }
}

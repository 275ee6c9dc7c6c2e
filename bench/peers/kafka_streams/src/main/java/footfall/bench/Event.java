package footfall.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Consumer;

/** One event of the workload. The object is used again for the next: nothing may keep it. */
final class Event {
    private static final JsonFactory JSON = new JsonFactory();

    String type;
    String source;
    String company;
    /** UTC, to the second at least: {@code 2026-11-01T10:00:00...}. */
    String time;
    long sequence;
    final Map<String, String> data = new HashMap<>();

    /** Calls {@code each} for every event of a record: one object, or an array of objects of one company. */
    static void readAll(byte[] record, Event event, Consumer<Event> each) throws IOException {
        try (JsonParser parser = JSON.createParser(record)) {
            JsonToken first = parser.nextToken();
            if (first == JsonToken.START_OBJECT) {
                event.read(parser);
                each.accept(event);
            } else if (first == JsonToken.START_ARRAY) {
                while (parser.nextToken() == JsonToken.START_OBJECT) {
                    event.read(parser);
                    each.accept(event);
                }
            }
        }
    }

    /** Start of the UTC hour of its time. */
    String hour() {
        return time.substring(0, 13) + ":00:00Z";
    }

    /** Start of the UTC day of its time. */
    String day() {
        return time.substring(0, 10) + "T00:00:00Z";
    }

    private void read(JsonParser parser) throws IOException {
        data.clear();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            JsonToken value = parser.nextToken();
            switch (name) {
                case "type" -> type = parser.getText();
                case "source" -> source = parser.getText();
                case "company" -> company = parser.getText();
                case "time" -> time = inUtc(parser.getText());
                case "sequence" -> sequence = Long.parseLong(parser.getText());
                case "data" -> readData(parser, value);
                default -> parser.skipChildren();
            }
        }
    }

    private void readData(JsonParser parser, JsonToken start) throws IOException {
        if (start != JsonToken.START_OBJECT) {
            return;
        }
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            if (parser.nextToken() == JsonToken.VALUE_STRING) {
                data.put(name, parser.getText());
            } else {
                parser.skipChildren();
            }
        }
    }

    private static String inUtc(String text) {
        return text.endsWith("Z") ? text : Instant.from(OffsetDateTime.parse(text)).toString();
    }
}

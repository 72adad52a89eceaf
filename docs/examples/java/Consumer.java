import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Iterator;

/**
 * A reliable consumer by HTTP: books each event of its source exactly once in effect, whatever dies.
 *
 *     WEB_URL=http://… KEY=… BOOKS=books.tsv java Consumer.java
 *
 * The books are a file, and a line of it is the transaction: the event's position, its type and the event. Nothing but the
 * JDK is needed so. With a database, keep the position in the same transaction as what you do about the event.
 */
class Consumer {
    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] arguments) throws Exception {
        Path path = Path.of(System.getenv("BOOKS"));
        try (var books = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            String position = lastWhole(path, books);
            while (true) {
                try {
                    position = follow(books, position);
                } catch (IOException error) {
                    System.err.println("the stream ended (" + error.getMessage() + "): going on behind " + position);
                }
                Thread.sleep(1000);
            }
        }
    }

    /** The position of the last event that was booked. A line without an end was not: who wrote it died. */
    static String lastWhole(Path path, FileChannel books) throws IOException {
        String text = Files.readString(path, StandardCharsets.ISO_8859_1); // as many characters as bytes
        int whole = text.lastIndexOf('\n') + 1;
        books.truncate(whole).position(whole);
        return whole == 0 ? "0" : text.substring(text.lastIndexOf('\n', whole - 2) + 1).split("\t")[0];
    }

    /** Book events as they come, until the stream ends; the position of the last one. */
    static String follow(FileChannel books, String position) throws IOException, InterruptedException {
        var asked = HttpRequest.newBuilder(URI.create(System.getenv("WEB_URL") + "/v1/events/stream?after=" + position))
            .header("Authorization", "Bearer " + System.getenv("KEY"))
            .build();
        var answer = HTTP.send(asked, BodyHandlers.ofLines());
        if (answer.statusCode() != 200) {
            Thread.sleep(1000 * answer.headers().firstValueAsLong("Retry-After").orElse(5));
            throw new IOException("status " + answer.statusCode());
        }
        String id = null, type = null, data = null;
        try {
            for (Iterator<String> lines = answer.body().iterator(); lines.hasNext();) {
                String line = lines.next();
                if (line.startsWith("id: ")) id = line.substring(4);
                if (line.startsWith("event: ")) type = line.substring(7);
                if (line.startsWith("data: ")) data = line.substring(6);
                if (!line.isEmpty() || data == null) continue; // an empty line ends an event; a comment has no data
                book(books, id + "\t" + type + "\t" + data + "\n");
                position = id;
                data = null;
            }
        } catch (java.io.UncheckedIOException error) {
            System.err.println("the connection was lost");
        }
        return position;
    }

    static void book(FileChannel books, String line) throws IOException {
        var bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8));
        while (bytes.hasRemaining()) books.write(bytes);
        books.force(false); // only then it is booked
    }
}

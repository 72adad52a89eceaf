import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * A producer: sends intents by HTTP, each until it is known to be committed, or to have to be corrected.
 *
 *     WEB_URL=http://… KEY=… java Producer.java < intents.jsonl
 *
 * Whatever comes, or nothing: the same again is safe for ever. Ends with 1 where an intent can't be accepted.
 */
class Producer {
    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    public static void main(String[] arguments) throws Exception {
        boolean wrong = false;
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.isBlank()) continue;
            HttpResponse<String> answer = sent(line);
            if (answer.statusCode() == 202) continue;
            System.err.println(answer.statusCode() + " " + answer.body());
            wrong = true;
        }
        System.exit(wrong ? 1 : 0);
    }

    /** The answer that says what became of it: not one that says "not now", nor none. */
    static HttpResponse<String> sent(String intent) throws InterruptedException {
        var asked = HttpRequest.newBuilder(URI.create(System.getenv("WEB_URL") + "/v1/intents"))
            .header("Authorization", "Bearer " + System.getenv("KEY"))
            .header("Content-Type", "application/json")
            .timeout(Duration.ofSeconds(30))
            .POST(BodyPublishers.ofString(intent))
            .build();
        while (true) {
            long wait_s = 1;
            try {
                var answer = HTTP.send(asked, BodyHandlers.ofString());
                if (answer.statusCode() < 500 && answer.statusCode() != 429) return answer;
                wait_s = answer.headers().firstValueAsLong("Retry-After").orElse(1);
            } catch (IOException error) {
                System.err.println("no answer (" + error.getMessage() + "): the same again");
            }
            Thread.sleep(1000 * wait_s);
        }
    }
}

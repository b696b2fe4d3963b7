import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

/** Sends as many requests as asked for to a URL, with a key, and writes the status of each answer. */
class Posts {
    public static void main(String[] arguments) throws Exception {
        var client = HttpClient.newHttpClient();
        var number = Integer.parseInt(arguments[2]);
        for (int sent = 0; sent < number; sent++) {
            var body = HttpRequest.BodyPublishers.ofString(
                    "{\"name\": \"program " + sent + "\", \"scopes\": [\"account:read\"]}");
            var request = HttpRequest.newBuilder(URI.create(arguments[0]))
                    .header("X-Redmine-API-Key", arguments[1])
                    .header("Content-Type", "application/json")
                    .POST(body)
                    .build();
            System.out.println(client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
        }
    }
}

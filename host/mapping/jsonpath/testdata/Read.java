import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import com.jayway.jsonpath.PathNotFoundException;
import com.jayway.jsonpath.spi.cache.CacheProvider;
import com.jayway.jsonpath.spi.cache.NOOPCache;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import net.minidev.json.JSONStyle;
import net.minidev.json.JSONValue;

/**
 * Reads pairs of lines, a path and a JSON document, and writes a line for each: "= JSON" for what Jayway's JsonPath gives, "missing" for a
 * path that leads nowhere, "error" for any other exception. Each pair gets a path of its own: some functions change the path they are in.
 */
public final class Read {
    public static void main(String[] args) throws Exception {
        CacheProvider.setCache(new NOOPCache());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        for (String path; (path = in.readLine()) != null; ) {
            String document = in.readLine();
            out.println(answer(path, document));
        }
        out.flush();
    }

    private static String answer(String path, String document) {
        try {
            Configuration configuration = Configuration.defaultConfiguration();
            Object json = configuration.jsonProvider().parse(document);
            Object result = JsonPath.compile(path).read(json, configuration);
            if (result instanceof Collection && !(result instanceof java.util.List)) {
                result = new ArrayList<>((Collection<?>) result);
            }
            return "= " + JSONValue.toJSONString(result, JSONStyle.LT_COMPRESS);
        } catch (PathNotFoundException e) {
            return "missing";
        } catch (Throwable e) {
            return "error";
        }
    }
}

// Render renders templates with Apache Velocity 1.7: one JSON object a line in, {"t": template, "v": variables}, one a line out,
// {"o": output} or {"e": error}. Each template has an engine of its own, since macros are an engine's.
//
// java -cp /usr/share/java/velocity.jar:/usr/share/java/commons-collections3.jar:/usr/share/java/commons-lang.jar Render.java

import java.io.*;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.velocity.VelocityContext;
import org.apache.velocity.app.VelocityEngine;

public class Render {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        for (String line; (line = in.readLine()) != null; ) {
            Map<?, ?> c = (Map<?, ?>) new Json(line).value();
            out.println(render((String) c.get("t"), (Map<?, ?>) c.get("v")));
            out.flush();
        }
    }

    static String render(String template, Map<?, ?> variables) {
        try {
            VelocityEngine engine = new VelocityEngine();
            engine.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
            engine.setProperty("resource.loader", "string");
            engine.setProperty("string.resource.loader.class", "org.apache.velocity.runtime.resource.loader.StringResourceLoader");
            engine.init();
            VelocityContext context = new VelocityContext();
            if (variables != null) {
                for (Map.Entry<?, ?> e : variables.entrySet()) {
                    context.put((String) e.getKey(), e.getValue());
                }
            }
            StringWriter w = new StringWriter();
            engine.evaluate(context, w, "t", template);
            return "{\"o\":" + quote(w.toString()) + "}";
        } catch (Throwable e) {
            return "{\"e\":" + quote(e.getClass().getSimpleName() + ": " + e.getMessage()) + "}";
        }
    }

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (int i = 0; i < s.length(); i++) {
            char c = s.charAt(i);
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ' || c > '~') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }

    static class Json {
        final String s;
        int i;

        Json(String s) {
            this.s = s;
        }

        char skip() {
            while (" \t\r\n,:".indexOf(s.charAt(i)) >= 0) {
                i++;
            }
            return s.charAt(i);
        }

        Object value() {
            switch (skip()) {
                case '{':
                    Map<String, Object> m = new LinkedHashMap<>();
                    for (i++; skip() != '}'; ) {
                        String k = string();
                        m.put(k, value());
                    }
                    i++;
                    return m;
                case '[':
                    List<Object> l = new ArrayList<>();
                    for (i++; skip() != ']'; ) {
                        l.add(value());
                    }
                    i++;
                    return l;
                case '"':
                    return string();
                case 't':
                    i += 4;
                    return true;
                case 'f':
                    i += 5;
                    return false;
                case 'n':
                    i += 4;
                    return null;
            }
            int from = i;
            while (i < s.length() && "+-.eE0123456789".indexOf(s.charAt(i)) >= 0) {
                i++;
            }
            return number(s.substring(from, i));
        }

        static Object number(String n) {
            if (n.matches(".*[.eE].*")) {
                return Double.valueOf(n);
            }
            BigInteger b = new BigInteger(n);
            return b.bitLength() < 32 ? (Object) b.intValue() : b.bitLength() < 64 ? (Object) b.longValue() : b;
        }

        String string() {
            StringBuilder b = new StringBuilder();
            for (i++; s.charAt(i) != '"'; i++) {
                char c = s.charAt(i);
                if (c != '\\') {
                    b.append(c);
                    continue;
                }
                c = s.charAt(++i);
                int known = "ntrbf".indexOf(c);
                if (c == 'u') {
                    b.append((char) Integer.parseInt(s.substring(i + 1, i + 5), 16));
                    i += 4;
                } else {
                    b.append(known < 0 ? c : "\n\t\r\b\f".charAt(known));
                }
            }
            i++;
            return b.toString();
        }
    }
}

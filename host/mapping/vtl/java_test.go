package vtl

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
)

// classPath has Debian's packages velocity, libcommons-collections3-java and libcommons-lang-java.
const classPath = "/usr/share/java/velocity.jar:/usr/share/java/commons-collections3.jar:/usr/share/java/commons-lang.jar"

// A velocity is the real one, in a process of its own.
type velocity struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// A rendering is what an engine makes of a template: output, or an error.
type rendering struct {
	Output string `json:"o"`
	Error  string `json:"e"`
}

// same compares outputs, and whether there is an error; what errors say is each engine's own.
func (r rendering) same(other rendering) bool {
	if r.Error != "" || other.Error != "" {
		return r.Error != "" && other.Error != ""
	}
	return r.Output == other.Output
}

// startVelocity needs a JDK and Debian's package velocity, and the environment's word that they are to be used.
func startVelocity(t testing.TB) *velocity {
	t.Helper()
	if os.Getenv("VTL_VELOCITY") == "" {
		t.Skip("set VTL_VELOCITY=1 to compare with Apache Velocity (apt-get install velocity default-jdk-headless)")
	}
	cmd := exec.Command("java", "-Xss4m", "-Xmx1g", "-cp", classPath, "testdata/Render.java")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Log(err)
		}
	})
	return &velocity{in: in, out: bufio.NewReaderSize(out, 1<<20)}
}

func (v *velocity) render(t testing.TB, template string, variables json.RawMessage) rendering {
	t.Helper()
	line, err := json.Marshal(map[string]any{"t": template, "v": variables})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := v.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var r rendering
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

package listener

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The numbers of spec/hardening.md are those of the code, and no limit is missing there.
func TestHardeningDocument(t *testing.T) {
	text, err := os.ReadFile("../../spec/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			if name := strings.TrimSpace(cells[1]); strings.HasPrefix(name, "`") && strings.Count(name, "`") == 2 {
				said[strings.Trim(name, "`")] = strings.TrimSpace(cells[2])
			}
		}
	}
	actual := map[string]string{
		"frameBurst": fmt.Sprint(frameBurst), "frameRate": fmt.Sprint(frameRate), "frameShare": fmt.Sprint(frameShare),
		"resetBurst": fmt.Sprint(resetBurst), "resetRate": fmt.Sprint(resetRate), "frameSize": fmt.Sprint(frameSize),
		"logBurst": fmt.Sprint(logBurst), "logRate": fmt.Sprint(logRate),
	}
	limits := reflect.ValueOf(Limits{}.withDefaults())
	for i := range limits.NumField() {
		name, value := limits.Type().Field(i).Name, fmt.Sprint(limits.Field(i).Interface())
		switch name {
		case "BodyRate":
			value += " bytes/s"
		case "HeaderBytes":
			value = fmt.Sprint(limits.Field(i).Int()>>10, "KiB")
		case "Connections":
			value = "none"
		case "Idle":
			value = fmt.Sprint(int(DefaultIdle.Seconds()), "s")
		}
		actual[name] = value
	}
	for name, value := range actual {
		if said[name] != value {
			t.Errorf("%s: the document says %q, the code %q", name, said[name], value)
		}
	}
}

package main

import (
	"strings"
	"testing"

	postern "github.com/postern/postern/sdk/go"
)

func TestGetOrder(t *testing.T) {
	for id, status := range map[string]int{"7": 200, "0": 404, "-1": 404, "x": 404, "": 404} {
		resp, err := getOrder(&postern.Request{PathParameters: map[string]string{"id": id}, Body: strings.NewReader("")})
		if err != nil {
			t.Fatal(err)
		}
		if resp.Status != status {
			t.Errorf("order %q: status %d, want %d", id, resp.Status, status)
		}
	}
}

// Command get-order is a function in Go: it answers one order as JSON.
package main

import (
	"os"
	"strconv"

	postern "github.com/postern/postern/sdk/go"
)

func main() {}

//go:wasmexport handle
func handle() int32 { return postern.Handle(getOrder) }

// An order is what the shop keeps. This example keeps nothing: every number has an order.
type order struct {
	ID       string `json:"id"`
	Total    string `json:"total"`
	Currency string `json:"currency"`
	For      string `json:"for"`
}

func getOrder(r *postern.Request) (*postern.Response, error) {
	id := r.PathParameters["id"]
	number, err := strconv.Atoi(id)
	if err != nil || number < 1 {
		return postern.JSON(404, map[string]string{"message": "no such order"}), nil
	}
	return postern.JSON(200, order{ID: id, Total: strconv.Itoa(number*3) + ".00", Currency: os.Getenv("CURRENCY"), For: user(r)}), nil
}

// user is who the authorizer said is calling.
func user(r *postern.Request) string {
	if r.RequestContext.Authorizer == nil {
		return ""
	}
	name, _ := r.RequestContext.Authorizer.Lambda["user"].(string)
	return name
}

// Command csv2json reads CSV from standard input, and writes each record as a JSON object to standard output.
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := convert(os.Stdout, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "csv2json:", err)
		os.Exit(1)
	}
}

func convert(w io.Writer, r io.Reader) error {
	records, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return err
	}
	list := []map[string]string{}
	for i, record := range records {
		if i == 0 {
			continue // the names
		}
		object := map[string]string{}
		for j, value := range record {
			object[records[0][j]] = value
		}
		list = append(list, object)
	}
	return json.NewEncoder(w).Encode(list)
}

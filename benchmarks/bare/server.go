// The least that serves JSON over net/http: what the wrapper is measured against.
package main

import (
	"encoding/json"
	"net/http"
	"os"
)

func handler(data map[string]any) (map[string]any, error) {
	return map[string]any{"data": data}, nil
}

func main() {
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		var data map[string]any
		if err := json.NewDecoder(request.Body).Decode(&data); err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := handler(data)
		if err != nil {
			http.Error(writer, err.Error(), http.StatusInternalServerError)
			return
		}
		writer.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(writer).Encode(result)
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

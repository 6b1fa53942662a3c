// A function by hand over net/http: what the wrapper is measured against. See server.py, which does the same.
package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

var (
	name, namespace = os.Getenv("FUNCTION_NAME"), os.Getenv("FUNCTION_NAMESPACE")
	least           = os.Getenv("ANSWER") == "least"
)

type envelope struct {
	FunctionName  string  `json:"functionName"`
	Namespace     string  `json:"namespace"`
	InvocationID  string  `json:"invocationId"`
	CorrelationID string  `json:"correlationId"`
	Result        result  `json:"result"`
	Metrics       metrics `json:"metrics"`
}

type result struct {
	StatusCode int `json:"statusCode"`
	Body       any `json:"body"`
}

type metrics struct {
	DurationMs   float64 `json:"durationMs"`
	ColdStart    bool    `json:"coldStart"`
	MemoryUsedMb float64 `json:"memoryUsedMb"`
}

func handler(data map[string]any) (map[string]any, error) {
	return map[string]any{"data": data}, nil
}

func uuid() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:])
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

func enveloped(id string, found any, took time.Duration) envelope {
	spent := metrics{DurationMs: float64(took.Microseconds()) / 1000, MemoryUsedMb: 16.4}
	return envelope{name, namespace, uuid(), id, result{http.StatusOK, found}, spent}
}

func setAttributes(header http.Header, id string) {
	header.Set("ce-specversion", "1.0")
	header.Set("ce-id", uuid())
	header.Set("ce-type", "io.knative.lambda.response.success")
	header.Set("ce-source", "io.knative.lambda/"+name)
	header.Set("ce-subject", name)
	header.Set("ce-time", time.Now().UTC().Format("2006-01-02T15:04:05Z"))
	header.Set("ce-correlationid", id)
	header.Set("ce-causationid", id)
	header.Set("X-Correlation-ID", id)
}

func serve(writer http.ResponseWriter, request *http.Request) {
	var data map[string]any
	if err := json.NewDecoder(request.Body).Decode(&data); err != nil {
		http.Error(writer, err.Error(), http.StatusBadRequest)
		return
	}
	began := time.Now()
	found, err := handler(data)
	if err != nil {
		http.Error(writer, err.Error(), http.StatusInternalServerError)
		return
	}
	var answer any = found
	if !least {
		id := request.Header.Get("ce-id")
		answer = enveloped(id, found, time.Since(began))
		setAttributes(writer.Header(), id)
	}
	body, _ := json.Marshal(answer)
	header := writer.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header["Date"] = nil
	_, _ = writer.Write(body)
}

func main() {
	http.HandleFunc("/", serve)
	panic(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}

package wrapper

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Outcomes to HTTP replies, each a response CloudEvent in binary mode.

const responsePrefix = "io.knative.lambda.response."

// replyHeaders are in the form that net/http keeps them in.
var replyHeaders = [...]string{
	"Content-Type", "Ce-Specversion", "Ce-Id", "Ce-Type", "Ce-Source", "Ce-Subject", "Ce-Time",
	"Ce-Correlationid", "Ce-Causationid", "X-Correlation-Id",
}

// reply writes the reply to a call; the stack of an error is told only when debug is set.
func reply(writer http.ResponseWriter, c *call, made outcome, memoryUsedMB float64, debug bool) {
	kind, status := "success", http.StatusOK
	if made.failure != nil {
		kind, status = "error", made.failure.status
		if status == http.StatusGatewayTimeout {
			kind = "timeout"
		}
	}
	setHeaders(writer.Header(), c, kind, status)
	body := make([]byte, 0, 512+len(made.result))
	body = appendText(append(body, `{"functionName":`...), c.settings.functionName)
	body = appendText(append(body, `,"namespace":`...), c.settings.functionNamespace)
	body = appendText(append(body, `,"invocationId":`...), c.invocationID)
	body = appendText(append(body, `,"correlationId":`...), c.correlationID)
	if made.failure != nil {
		body = appendError(body, made.failure, debug)
	} else {
		body = appendResult(body, made.result)
	}
	body = append(body, `,"metrics":{"durationMs":`...)
	body = strconv.AppendFloat(body, milliseconds(made.duration), 'f', -1, 64)
	body = strconv.AppendBool(append(body, `,"coldStart":`...), c.coldStart)
	body = append(body, `,"memoryUsedMb":`...)
	body = append(strconv.AppendFloat(body, memoryUsedMB, 'f', -1, 64), "}}"...)
	send(writer, status, body)
}

func appendError(body []byte, failure *failure, debug bool) []byte {
	body = appendText(append(body, `,"error":{"code":`...), failure.code)
	body = appendText(append(body, `,"message":`...), failure.message)
	body = strconv.AppendBool(append(body, `,"retryable":`...), failure.retryable)
	if debug && failure.stack != "" {
		body = appendText(append(body, `,"stack":`...), failure.stack)
	}
	return append(body, '}')
}

// appendResult wraps a result as statusCode and body, unless the handler already did.
func appendResult(body, result []byte) []byte {
	if isWrapped(result) {
		return append(append(body, `,"result":`...), result...)
	}
	body = append(append(body, `,"result":{"statusCode":200,"body":`...), result...)
	return append(body, '}')
}

func isWrapped(result []byte) bool {
	if result[0] != '{' || !bytes.Contains(result, []byte(`"statusCode"`)) {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(result, &fields) != nil || !wholeNumber.Match(fields["statusCode"]) {
		return false
	}
	for name := range fields {
		if name != "statusCode" && name != "body" && name != "headers" {
			return false
		}
	}
	return true
}

func setHeaders(header http.Header, c *call, kind string, status int) {
	name := quote(c.settings.functionName)
	values := []string{
		"application/json", "1.0", newID(), responsePrefix + kind, "io.knative.lambda/" + name, name,
		time.Now().UTC().Format("2006-01-02T15:04:05Z"), quote(c.correlationID), quote(c.event.attribute("id")),
		c.correlationID,
	}
	for index, key := range replyHeaders {
		header[key] = values[index : index+1 : index+1]
	}
	if c.trace.traceparent != "" {
		header["Ce-Traceparent"] = []string{c.trace.traceparent}
		header["X-Trace-Id"] = []string{c.trace.traceID}
	}
	if status == http.StatusServiceUnavailable {
		header["Retry-After"] = []string{"1"}
	}
}

// send writes a whole response; a peer that is gone is its own affair.
func send(writer http.ResponseWriter, status int, body []byte) {
	header := writer.Header()
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	header["Date"] = nil
	writer.WriteHeader(status)
	_, _ = writer.Write(body)
}

// quote percent-encodes an attribute for a header, as the HTTP binding says.
func quote(value string) string {
	if strings.IndexFunc(value, needsQuote) < 0 {
		return value
	}
	var quoted strings.Builder
	for index := 0; index < len(value); index++ {
		if character := value[index]; needsQuote(rune(character)) {
			quoted.WriteString("%" + strings.ToUpper(strconv.FormatInt(int64(character)+0x100, 16)[1:]))
		} else {
			quoted.WriteByte(character)
		}
	}
	return quoted.String()
}

func needsQuote(character rune) bool {
	return unprintable(character) || character == '"' || character == '%'
}

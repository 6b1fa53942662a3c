package wrapper

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Requests to events: CloudEvents 1.0 over HTTP, binary and structured mode, and plain JSON. Pure.
//
// A request with none of the `ce-` headers and a JSON body is a direct call. The `io.knative.lambda.invoke.*`
// events wrap their data in `payload`; it is taken out, their `invocationId`, `correlationId` and `metadata`
// (`deadlineAt`, `traceId`, `spanId`) are honoured (docs/decisions/0069-invocation-events.md).

const (
	directType   = "io.knative.lambda.invoke.sync"
	directSource = "io.knative.lambda/direct"
	invokePrefix = "io.knative.lambda.invoke."
	structuredAs = "application/cloudevents+json"
)

var (
	requiredNames = []string{"specversion", "id", "source", "type"}
	attributeName = regexp.MustCompile(`^[a-z0-9]{1,64}$`)
	jsonType      = regexp.MustCompile(`^[\w.!#$&^+-]+/(?:[\w.!#$&^-]+\+)?json$`)
	wholeNumber   = regexp.MustCompile(`^-?[0-9]+$`)
	nothing       = json.RawMessage("null")
)

// invalidEvent says that the request holds no event: the sender's fault, never worth a retry.
type invalidEvent struct{ message string }

func (e *invalidEvent) Error() string { return e.message }

func refuse(format string, values ...any) error {
	return &invalidEvent{fmt.Sprintf(format, values...)}
}

// event is a decoded request. Attributes are all of its context attributes as text, extensions included.
type event struct {
	attributes map[string]string
	// data is JSON whose syntax has not been looked at in binary mode; `null` when there is none.
	data json.RawMessage
	// invocationID and correlationID are what an invocation event asked for, else empty.
	invocationID, correlationID string
	// metadata is what an invocation event tells about itself: retryCount and whatever else its sender put there.
	metadata map[string]any
	// deadlineAt is when the caller no longer wants the answer; zero if it did not say.
	deadlineAt time.Time
}

func (e *event) attribute(name string) string { return e.attributes[name] }

// decode decodes a request; newID names an event that has no id of its own. The error is an *invalidEvent.
func decode(header http.Header, body []byte, newID string) (*event, error) {
	contentType := header.Get("Content-Type")
	mediaType := contentType
	if contentType != "application/json" {
		mediaType, _, _ = strings.Cut(contentType, ";")
		mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	}
	if !utf8.Valid(body) {
		return nil, refuse("the body is not JSON: it is not UTF-8")
	}
	found, err := decodeMode(header, mediaType, body, newID)
	if err != nil || !strings.HasPrefix(found.attribute("type"), invokePrefix) {
		return found, err
	}
	return found, found.unwrap()
}

func decodeMode(header http.Header, mediaType string, body []byte, newID string) (*event, error) {
	switch {
	case mediaType == structuredAs:
		return structured(body)
	case strings.HasPrefix(mediaType, "application/cloudevents"):
		return nil, refuse("content type '%s': one event a request, as %s", mediaType, structuredAs)
	case len(body) > 0 && mediaType != "application/json" && !jsonType.MatchString(mediaType):
		return nil, refuse("content type '%s': a body has to be JSON, as application/json or %s", mediaType, structuredAs)
	}
	return binaryOrPlain(header, mediaType, body, newID)
}

// unwrap takes the payload of an invocation event for its data, if it has one.
func (e *event) unwrap() error {
	if first := bytes.TrimLeft(e.data, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.data, &fields); err != nil {
		return notJSON(err)
	}
	payload, wrapped := fields["payload"]
	if !wrapped {
		return nil
	}
	e.data = payload
	e.invocationID, e.correlationID = text(fields["invocationId"]), text(fields["correlationId"])
	return e.takeMetadata(fields["metadata"])
}

func (e *event) takeMetadata(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	if json.Unmarshal(raw, &e.metadata) != nil {
		return refuse("metadata is no JSON object")
	}
	value := e.metadata["deadlineAt"]
	if value == nil {
		return nil
	}
	written, _ := value.(string)
	at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(written))
	if err != nil {
		const allowed = "a time of RFC 3339 is allowed, as 2026-01-31T12:00:00Z"
		return refuse("metadata.deadlineAt is '%.40v'; %s", value, allowed)
	}
	e.deadlineAt = at
	return nil
}

// traceparent returns the trace that the metadata names, empty if none.
func (e *event) traceparent() string {
	traceID, _ := e.metadata["traceId"].(string)
	spanID, _ := e.metadata["spanId"].(string)
	if traceID == "" || spanID == "" {
		return ""
	}
	return "00-" + traceID + "-" + spanID + "-01"
}

// text returns a JSON text's value, empty if it is none.
func text(raw json.RawMessage) string {
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return value
}

func binaryOrPlain(header http.Header, mediaType string, body []byte, newID string) (*event, error) {
	attributes := make(map[string]string, 8)
	for name, values := range header {
		if len(name) > 3 && name[:3] == "Ce-" {
			attributes[strings.ToLower(name[3:])] = unquote(values[0])
		}
	}
	data := json.RawMessage(body)
	if len(body) == 0 {
		data = nothing
	}
	if len(attributes) == 0 {
		attributes["specversion"], attributes["id"] = "1.0", newID
		attributes["source"], attributes["type"] = directSource, directType
		return &event{attributes: attributes, data: data}, nil
	}
	if mediaType != "" {
		attributes["datacontenttype"] = mediaType
	}
	return &event{attributes: attributes, data: data}, check(attributes, "the header ce-")
}

func structured(body []byte) (*event, error) {
	var document map[string]json.RawMessage
	if err := json.Unmarshal(body, &document); err != nil {
		if _, other := err.(*json.UnmarshalTypeError); other || len(body) == 0 {
			return nil, refuse("a structured event is a JSON object")
		}
		return nil, notJSON(err)
	}
	if document == nil {
		return nil, refuse("a structured event is a JSON object")
	}
	data, encoded := take(document, "data"), take(document, "data_base64")
	attributes, err := texts(document)
	if err == nil {
		err = check(attributes, "the attribute ")
	}
	if err == nil && encoded != nil {
		data, err = decodeBase64(data, encoded, attributes)
	}
	if data == nil {
		data = nothing
	}
	return &event{attributes: attributes, data: data}, err
}

// take removes a member and returns it; null counts as absent.
func take(document map[string]json.RawMessage, name string) json.RawMessage {
	value := document[name]
	delete(document, name)
	if string(value) == "null" {
		return nil
	}
	return value
}

func texts(document map[string]json.RawMessage) (map[string]string, error) {
	found := make(map[string]string, len(document))
	for name, raw := range document {
		token := string(raw)
		switch {
		case token == "null":
		case raw[0] == '"':
			found[name] = text(raw)
		case token == "true" || token == "false" || wholeNumber.MatchString(token):
			found[name] = token
		default:
			return nil, refuse("the attribute '%s' is neither text nor a whole number nor a boolean", name)
		}
	}
	return found, nil
}

func check(attributes map[string]string, place string) error {
	var problems []string
	for _, name := range requiredNames {
		if attributes[name] == "" {
			problems = append(problems, place+name+" is missing or empty")
		}
	}
	if version := attributes["specversion"]; version != "" && version != "1.0" {
		problems = append(problems, fmt.Sprintf("specversion is '%.20s'; 1.0 is understood", version))
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if !isAttributeName(name) {
			problems = append(problems, fmt.Sprintf("'%.80s' is no attribute name (a-z and 0-9)", name))
		}
	}
	if problems != nil {
		return refuse("%s", strings.Join(problems, "; "))
	}
	return nil
}

func isAttributeName(name string) bool {
	switch name { // what every event has: spares the expression
	case "specversion", "id", "source", "type", "datacontenttype", "subject", "time":
		return true
	}
	return attributeName.MatchString(name)
}

func decodeBase64(data, encoded json.RawMessage, attributes map[string]string) (json.RawMessage, error) {
	if data != nil {
		return nil, refuse("data and data_base64 are both given")
	}
	named, present := attributes["datacontenttype"]
	mediaType, _, _ := strings.Cut(named, ";")
	if present && !jsonType.MatchString(strings.ToLower(strings.TrimSpace(mediaType))) {
		return nil, refuse("datacontenttype is '%s'; data has to be JSON", named)
	}
	raw, err := base64.StdEncoding.DecodeString(text(encoded))
	if err != nil || encoded[0] != '"' {
		return nil, refuse("data_base64 is not base64")
	}
	if !utf8.Valid(raw) {
		return nil, refuse("the data is not JSON: it is not UTF-8")
	}
	return raw, nil
}

func notJSON(err error) error {
	return refuse("the body is not JSON: %v", err)
}

// unquote undoes the percent-encoding of the HTTP binding; other bytes of the value are latin-1.
func unquote(value string) string {
	if isASCII(value) && !strings.Contains(value, "%") {
		return value
	}
	if !strings.Contains(value, "%") {
		return latin1(value)
	}
	var raw strings.Builder
	for index := 0; index < len(value); index++ {
		if value[index] == '%' && index+2 < len(value) {
			if byte, err := url.PathUnescape(value[index : index+3]); err == nil {
				raw.WriteString(byte)
				index += 2
				continue
			}
		}
		raw.WriteByte(value[index])
	}
	return strings.ToValidUTF8(raw.String(), "\uFFFD")
}

func isASCII(value string) bool {
	for index := 0; index < len(value); index++ {
		if value[index] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func latin1(value string) string {
	runes := make([]rune, len(value))
	for index := 0; index < len(value); index++ {
		runes[index] = rune(value[index])
	}
	return string(runes)
}

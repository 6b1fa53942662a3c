package wrapper

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

var traceparent = regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$`)

// call is what is known of one call; as a context it ends when the handler's time is over.
type call struct {
	settings      *settings
	deadline      *deadline
	event         *event
	invocationID  string
	correlationID string
	trace         trace
	coldStart     bool
}

// trace is a W3C trace context as it came; empty texts when none or a malformed one came.
type trace struct{ traceparent, traceID, spanID, flags string }

// sampledID returns the trace's id if it is sampled, else an empty text.
func (t trace) sampledID() string {
	if flags, err := strconv.ParseUint(t.flags, 16, 8); err != nil || flags&1 == 0 {
		return ""
	}
	return t.traceID
}

type callKey struct{}

// Value answers what a parser may ask of its context without importing anything: the event's attributes by their
// names ("id", "source", "type", ...), and "correlation_id", "invocation_id", "function_name",
// "function_namespace", "third_party_id", "parser_id", "traceparent" (texts), "cold_start" (a bool) and "metadata", an
// invocation event's own (map[string]any).
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	name, isText := key.(string)
	if !isText {
		return nil
	}
	switch name {
	case "correlation_id":
		return c.correlationID
	case "invocation_id":
		return c.invocationID
	case "function_name":
		return c.settings.functionName
	case "function_namespace":
		return c.settings.functionNamespace
	case "third_party_id":
		return c.settings.thirdPartyID
	case "parser_id":
		return c.settings.parserID
	case "traceparent":
		return c.trace.traceparent
	case "cold_start":
		return c.coldStart
	case "metadata":
		return c.event.metadata
	}
	if value, present := c.event.attributes[name]; present {
		return value
	}
	return nil
}

func newCall(settings *settings, header http.Header, event *event, coldStart bool) *call {
	made := &call{settings: settings, event: event, coldStart: coldStart}
	made.invocationID = event.invocationID
	if made.invocationID == "" {
		made.invocationID = newID()
	}
	made.correlationID = correlationID(
		header.Get("X-Correlation-Id"), event.attribute("correlationid"), event.correlationID, event.attribute("id"),
	)
	made.trace = parseTrace(header.Get("Traceparent"), event.attribute("traceparent"), event.traceparent())
	return made
}

// newID returns a random UUID (version 4).
func newID() string {
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program instead
	raw[6] = raw[6]&0x0f | 0x40
	raw[8] = raw[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// correlationID returns the first candidate that is fit for a header and a log line, else a new id.
func correlationID(candidates ...string) string {
	for _, text := range candidates {
		if text != "" && len(text) <= 256 && strings.IndexFunc(text, unprintable) < 0 {
			return text
		}
	}
	return newID()
}

func unprintable(character rune) bool { return character < 0x21 || character > 0x7e }

// parseTrace returns the first well-formed traceparent of those given, else an empty trace.
func parseTrace(candidates ...string) trace {
	for _, text := range candidates {
		if text == "" {
			continue
		}
		match := traceparent.FindStringSubmatch(text)
		if match != nil && match[1] != "ff" && strings.Trim(match[2], "0") != "" && strings.Trim(match[3], "0") != "" {
			return trace{text, match[2], match[3], match[4]}
		}
	}
	return trace{}
}

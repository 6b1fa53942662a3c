module knative-lambda/wrapper

go 1.24

// Package e2e proves in a real cluster, the sandbox of test/sandbox, what Woven promises. Its tests are behind the
// build tag e2e and run as root on the machine where the sandbox is up:
//
//	make up && go test -tags e2e -count 1 ./test/e2e
//
// suite_test.go is the table of contents. Tests that disturb nobody run side by side, the others one after the
// other. Each works in a namespace of its own, removes it, and prints what it measured.
//
// Most packets are sent by the test program itself, from a socket that it opens inside the network namespace of a
// pod or a machine (place.go): to the network that is the pod's packet, and the test sees every error, every
// address and every microsecond without a tool in an image.
package e2e

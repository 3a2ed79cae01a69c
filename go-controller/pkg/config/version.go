package config

// Version is the release, set by the linker.
var Version = "dev"

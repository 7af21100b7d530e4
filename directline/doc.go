// Package directline is an embedded Direct Line 3.0 channel.
package directline

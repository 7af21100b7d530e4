package teamsapp

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strconv"
)

// The sizes of icons, in pixels.
const (
	colorSize   = 192
	outlineSize = 32
)

// DrawIcons draws icons for an app that has none: a bell on a ground of the accent color, and its outline.
func DrawIcons(accent string) (colored, outline []byte, err error) {
	n, err := strconv.ParseUint(accent[min(1, len(accent)):], 16, 32)
	if err != nil {
		return nil, nil, Problem{"accentColor", fmt.Sprintf("%q is no color, such as #4F6BED", accent)}
	}
	ground := color.NRGBA{R: uint8(n >> 16), G: uint8(n >> 8), B: uint8(n), A: 255}
	white := color.NRGBA{R: 255, G: 255, B: 255, A: 255}
	colored, err = draw(colorSize, func(x, y float64) color.NRGBA {
		if bell(x, y) <= 0 {
			return white
		}
		return ground
	})
	if err != nil {
		return nil, nil, err
	}
	outline, err = draw(outlineSize, func(x, y float64) color.NRGBA {
		if math.Abs(bell(x, y)+0.04) <= 0.04 {
			return white
		}
		return color.NRGBA{R: 255, G: 255, B: 255}
	})
	return colored, outline, err
}

// bell is how far a point of the unit square is outside a bell, and negative inside.
func bell(x, y float64) float64 {
	x = math.Abs(x - 0.5)
	// A dome on a skirt that widens, a brim, and the clapper below.
	dome := math.Hypot(x, y-0.42) - 0.2
	skirt := max(x-(0.2+0.09*max(0, (y-0.42)/0.24)), 0.42-y, y-0.66)
	brim := max(x-0.32, 0.64-y, y-0.7)
	clapper := max(math.Hypot(x, y-0.72)-0.08, 0.72-y)
	knob := math.Hypot(x, y-0.21) - 0.05
	return min(dome, skirt, brim, clapper, knob)
}

// fine is how many points of a pixel are looked at in each direction.
const fine = 4

// draw makes a PNG of a picture of the unit square.
func draw(size int, at func(x, y float64) color.NRGBA) ([]byte, error) {
	picture := image.NewNRGBA(image.Rect(0, 0, size, size))
	for py := range size {
		for px := range size {
			var r, g, b, a, seen int
			for i := range fine * fine {
				x := (float64(px) + (float64(i%fine)+0.5)/fine) / float64(size)
				y := (float64(py) + (float64(i/fine)+0.5)/fine) / float64(size)
				c := at(x, y)
				a += int(c.A)
				if c.A > 0 {
					r, g, b, seen = r+int(c.R), g+int(c.G), b+int(c.B), seen+1
				}
			}
			if seen == 0 {
				continue
			}
			picture.SetNRGBA(px, py, color.NRGBA{
				R: uint8(r / seen), G: uint8(g / seen), B: uint8(b / seen), A: uint8(a / (fine * fine)),
			})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("draw an icon: %w", err)
	}
	return out.Bytes(), nil
}

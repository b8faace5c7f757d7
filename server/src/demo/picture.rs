//! Small pictures, drawn of rectangles and discs: screenshots, plans and faces that nobody has.

use super::{DemoError, generator::Generator};

type Colour = [u8; 3];

const PAPER: Colour = [0xf7, 0xf5, 0xf0];
const INK: Colour = [0x3b, 0x41, 0x4d];
const FAINT: Colour = [0xc9, 0xcd, 0xd3];
const ACCENTS: [Colour; 6] = [
    [0x2f, 0x7d, 0x5b],
    [0x2b, 0x6c, 0xb0],
    [0xb7, 0x4f, 0x2e],
    [0x7a, 0x4f, 0xa3],
    [0xc2, 0x8f, 0x1c],
    [0xa8, 0x36, 0x57],
];

/// What a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// A window with a message and a button.
    Dialog,
    /// A chart of bars.
    Chart,
    /// The plan of a floor with a marked room.
    Plan,
    /// A cabinet of network switches with their lights.
    Cabinet,
}

/// A picture of 320 × 200 and its thumbnail of 80 × 50, as PNG.
pub(super) fn draw(scene: Scene, random: &mut Generator) -> Result<(Vec<u8>, Vec<u8>), DemoError> {
    let mut canvas = Canvas::new(320, 200, PAPER);
    let accent = *random.pick(&ACCENTS);
    match scene {
        Scene::Dialog => dialog(&mut canvas, accent, random),
        Scene::Chart => chart(&mut canvas, accent, random),
        Scene::Plan => plan(&mut canvas, accent, random),
        Scene::Cabinet => cabinet(&mut canvas, random),
    }
    Ok((canvas.png()?, canvas.quarter().png()?))
}

/// The face of an agent, 48 × 48, as PNG.
pub(super) fn avatar(random: &mut Generator) -> Result<Vec<u8>, DemoError> {
    let mut canvas = Canvas::new(48, 48, *random.pick(&ACCENTS));
    canvas.disc(24, 52, 20, INK);
    canvas.disc(24, 20, 10, [0xe8, 0xc3, 0xa4]);
    canvas.disc(20, 19, 1, INK);
    canvas.disc(28, 19, 1, INK);
    canvas.png()
}

/// The help desk's sign, a linden tree, 32 × 32, as PNG.
pub(super) fn logo() -> Result<Vec<u8>, DemoError> {
    let mut canvas = Canvas::new(32, 32, PAPER);
    canvas.rectangle(14, 18, 4, 12, ACCENTS[2]);
    for (x, y, radius) in [(16, 10, 8), (10, 14, 6), (22, 14, 6)] {
        canvas.disc(x, y, radius, ACCENTS[0]);
    }
    canvas.png()
}

fn dialog(canvas: &mut Canvas, accent: Colour, random: &mut Generator) {
    canvas.rectangle(30, 30, 260, 140, [0xff; 3]);
    canvas.rectangle(30, 30, 260, 22, accent);
    canvas.disc(276, 41, 5, PAPER);
    canvas.disc(62, 88, 18, ACCENTS[2]);
    canvas.rectangle(60, 77, 5, 14, PAPER);
    canvas.rectangle(60, 95, 5, 4, PAPER);
    for row in 0..4 {
        canvas.rectangle(96, 72 + 14 * row, 90 + random.below(80), 5, INK);
    }
    canvas.rectangle(210, 140, 64, 20, accent);
}

fn chart(canvas: &mut Canvas, accent: Colour, random: &mut Generator) {
    for line in 0..5 {
        canvas.rectangle(24, 24 + 36 * line, 280, 1, FAINT);
    }
    for bar in 0..12 {
        let height = 20 + random.below(120);
        let colour = if height > 110 { ACCENTS[2] } else { accent };
        canvas.rectangle(32 + 22 * bar, 168 - height, 14, height, colour);
    }
    canvas.rectangle(24, 168, 280, 2, INK);
}

fn plan(canvas: &mut Canvas, accent: Colour, random: &mut Generator) {
    let marked = random.below(8);
    for room in 0..8 {
        let (x, y) = (20 + 70 * (room % 4), if room < 4 { 20 } else { 116 });
        canvas.rectangle(x, y, 70, 64, INK);
        let floor = if room == marked { accent } else { PAPER };
        canvas.rectangle(x + 2, y + 2, 66, 60, floor);
        // The door to the corridor.
        canvas.rectangle(x + 26, if room < 4 { y + 62 } else { y }, 16, 2, PAPER);
    }
}

fn cabinet(canvas: &mut Canvas, random: &mut Generator) {
    canvas.rectangle(40, 10, 240, 180, INK);
    for unit in 0..6 {
        let y = 20 + 28 * unit;
        canvas.rectangle(50, y, 220, 22, FAINT);
        for port in 0..24 {
            canvas.rectangle(58 + 8 * port, y + 9, 6, 8, INK);
            if random.chance(70) {
                let light = if random.chance(90) {
                    ACCENTS[0]
                } else {
                    ACCENTS[4]
                };
                canvas.rectangle(60 + 8 * port, y + 4, 2, 2, light);
            }
        }
    }
}

/// Pixels in rows from the top left. What lies outside isn't drawn.
struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<Colour>,
}

impl Canvas {
    fn new(width: u32, height: u32, colour: Colour) -> Self {
        Self {
            width,
            height,
            pixels: vec![colour; (width * height) as usize],
        }
    }

    fn rectangle(&mut self, x: u32, y: u32, width: u32, height: u32, colour: Colour) {
        for row in y..(y + height).min(self.height) {
            for column in x..(x + width).min(self.width) {
                self.pixels[(row * self.width + column) as usize] = colour;
            }
        }
    }

    fn disc(&mut self, x: u32, y: u32, radius: u32, colour: Colour) {
        for row in y.saturating_sub(radius)..=y + radius {
            for column in x.saturating_sub(radius)..=x + radius {
                if row.abs_diff(y).pow(2) + column.abs_diff(x).pow(2) <= radius.pow(2) {
                    self.rectangle(column, row, 1, 1, colour);
                }
            }
        }
    }

    /// A quarter as wide and high, every pixel the mean of sixteen.
    fn quarter(&self) -> Self {
        let mut small = Self::new(self.width / 4, self.height / 4, PAPER);
        for row in 0..small.height {
            for column in 0..small.width {
                let mut sums = [0_u32; 3];
                for (x, y) in (0..16).map(|i| (4 * column + i % 4, 4 * row + i / 4)) {
                    let pixel = self.pixels[(y * self.width + x) as usize];
                    for (sum, part) in sums.iter_mut().zip(pixel) {
                        *sum += u32::from(part);
                    }
                }
                let mean = sums.map(|sum| (sum / 16) as u8);
                small.rectangle(column, row, 1, 1, mean);
            }
        }
        small
    }

    fn png(&self) -> Result<Vec<u8>, DemoError> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(bytes)
    }
}

//! The plots: grouped bars, curves on logarithmic axes, and curves over time. SVG, drawn by plotters.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::number;

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x22, 0x2a, 0x33);
const FAINT: RGBColor = RGBColor(0x66, 0x70, 0x7a);
const GRID: RGBColor = RGBColor(0xdd, 0xe1, 0xe5);
const OURS: RGBColor = RGBColor(0x0b, 0x7a, 0x75);
const LIMIT: RGBColor = RGBColor(0x44, 0x4e, 0x58);
const PEER: RGBColor = RGBColor(0xb8, 0xc0, 0xc8);
const CURVES: [RGBColor; 6] = [
    OURS,
    RGBColor(0xd9, 0x6c, 0x2c),
    RGBColor(0x3c, 0x6e, 0xb4),
    RGBColor(0x9b, 0x4d, 0x96),
    RGBColor(0x6b, 0x8e, 0x23),
    FAINT,
];

/// Ours stand out, the bare limit is dark, peers are grey.
fn colour(label: &str) -> RGBColor {
    match label {
        _ if label.starts_with("ours") => OURS,
        _ if label.starts_with("raw") || label.starts_with("bare") || label.starts_with("idle") => LIMIT,
        _ => PEER,
    }
}

/// How lengths follow values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// For values that differ by orders of magnitude.
    Log,
}

/// Horizontal bars in groups.
pub struct Bars {
    pub title: String,
    /// What the values are, and whether lower or higher is better.
    pub subtitle: String,
    pub scale: Scale,
    pub groups: Vec<Group>,
}

pub struct Group {
    pub title: String,
    /// Label and value.
    pub bars: Vec<(String, f64)>,
}

const WIDTH: i32 = 960;
const LABELS: i32 = 300;
const VALUES: i32 = 90;
const BAR: i32 = 20;
const GROUP_TITLE: i32 = 30;
const TOP: i32 = 64;

impl Bars {
    pub fn draw(&self, path: &Path) -> Result<()> {
        self.try_draw(path)
            .map_err(|error| anyhow!("drawing {}: {error}", path.display()))
    }

    fn try_draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error + '_>> {
        let bars: i32 = self.groups.iter().map(|group| group.bars.len() as i32).sum();
        let height = TOP + bars * BAR + self.groups.len() as i32 * (GROUP_TITLE + 6) + 12;
        let root = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        root.draw(&text(&self.title, (16, 12), 19, INK))?;
        root.draw(&text(&self.subtitle, (16, 38), 13, FAINT))?;

        let all = || self.groups.iter().flat_map(|group| &group.bars);
        let values = || all().map(|(_, value)| *value).filter(|value| *value > 0.0);
        let most = values().fold(f64::MIN_POSITIVE, f64::max);
        // The power of ten below the least value, where a logarithmic axis begins.
        let least = 10_f64.powf(values().fold(most, f64::min).log10().floor());
        let room = f64::from(WIDTH - LABELS - VALUES);
        let length = |value: f64| match self.scale {
            Scale::Linear => (value.max(0.0) / most * room) as i32,
            Scale::Log => ((value.max(least) / least).log10() / (most / least).log10() * room) as i32,
        };
        if self.scale == Scale::Log {
            let mut decade = least;
            while decade <= most {
                let x = LABELS + length(decade);
                root.draw(&PathElement::new(vec![(x, TOP), (x, height - 8)], GRID))?;
                let above = style(11, FAINT, HPos::Center, VPos::Bottom);
                root.draw(&Text::new(number(decade), (x, TOP - 2), above))?;
                decade *= 10.0;
            }
        }
        let mut y = TOP;
        for group in &self.groups {
            root.draw(&text(&group.title, (16, y + 9), 14, INK))?;
            y += GROUP_TITLE;
            for (label, value) in &group.bars {
                let middle = y + BAR / 2;
                root.draw(&Text::new(
                    label.clone(),
                    (LABELS - 8, middle),
                    style(13, INK, HPos::Right, VPos::Center),
                ))?;
                let end = LABELS + length(*value).max(1);
                let corners = [(LABELS, y + 2), (end, y + BAR - 2)];
                root.draw(&Rectangle::new(corners, colour(label).filled()))?;
                let shown = number(*value);
                root.draw(&Text::new(
                    shown,
                    (end + 6, middle),
                    style(12, FAINT, HPos::Left, VPos::Center),
                ))?;
                y += BAR;
            }
            y += 6;
        }
        root.present()?;
        Ok(())
    }
}

fn style(size: i32, colour: RGBColor, across: HPos, along: VPos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour).pos(Pos::new(across, along))
}

fn text(text: &str, at: (i32, i32), size: i32, colour: RGBColor) -> Text<'static, (i32, i32), String> {
    Text::new(text.to_owned(), at, style(size, colour, HPos::Left, VPos::Top))
}

/// Curves, both axes logarithmic.
pub struct Lines {
    pub title: String,
    pub across: String,
    pub along: String,
    /// Label and points.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Lines {
    pub fn draw(&self, path: &Path) -> Result<()> {
        self.try_draw(path)
            .map_err(|error| anyhow!("drawing {}: {error}", path.display()))
    }

    fn try_draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error + '_>> {
        let root = SVGBackend::new(path, (WIDTH as u32, 480)).into_drawing_area();
        root.fill(&WHITE)?;
        let points = || self.curves.iter().flat_map(|(_, points)| points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
                (least.min(value), most.max(value))
            });
            10_f64.powf(least.log10().floor())..10_f64.powf(most.log10().ceil())
        };
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, style(19, INK, HPos::Left, VPos::Top))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(
                range(&mut points().map(|point| point.0)).log_scale(),
                range(&mut points().map(|point| point.1)).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(FAINT)
            .x_desc(&self.across)
            .y_desc(&self.along)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .label_style(style(12, FAINT, HPos::Left, VPos::Top))
            .axis_desc_style(style(13, INK, HPos::Left, VPos::Top))
            .draw()?;
        for (index, (label, points)) in self.curves.iter().enumerate() {
            let colour = CURVES[index % CURVES.len()];
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(4);
            chart
                .draw_series(line)?
                .label(label)
                .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(GRID)
            .label_font(style(13, INK, HPos::Left, VPos::Top))
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// Curves over time.
pub struct Course {
    pub title: String,
    pub across: String,
    pub along: String,
    /// Of the values; those of a linear one begin at 0.
    pub scale: Scale,
    /// Label and points.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
    /// When something happened.
    pub marks: Vec<f64>,
}

impl Course {
    pub fn draw(&self, path: &Path) -> Result<()> {
        self.try_draw(path)
            .map_err(|error| anyhow!("drawing {}: {error}", path.display()))
    }

    fn try_draw(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.curves.iter().flat_map(|(_, points)| points);
        let end = points().map(|point| point.0).fold(0.0, f64::max);
        let values = || points().map(|point| point.1).filter(|value| value.is_finite());
        let most = values().fold(f64::MIN_POSITIVE, f64::max);
        let least = values().filter(|value| *value > 0.0).fold(most, f64::min);
        let root = SVGBackend::new(path, (WIDTH as u32, 320)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root);
        chart
            .caption(&self.title, style(19, INK, HPos::Left, VPos::Top))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72);
        match self.scale {
            Scale::Linear => self.curves_on(chart.build_cartesian_2d(0.0..end, 0.0..most * 1.25)?, 0.0, most * 1.25)?,
            Scale::Log => {
                let (low, high) = (10_f64.powf(least.log10().floor()), 10_f64.powf(most.log10().ceil()));
                self.curves_on(chart.build_cartesian_2d(0.0..end, (low..high).log_scale())?, low, high)?;
            }
        }
        root.present()?;
        Ok(())
    }

    fn curves_on<'a, Y>(
        &self,
        mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>,
        low: f64,
        high: f64,
    ) -> Result<(), Box<dyn std::error::Error>>
    where
        Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    {
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(FAINT)
            .x_desc(&self.across)
            .y_desc(&self.along)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .label_style(style(12, FAINT, HPos::Left, VPos::Top))
            .axis_desc_style(style(13, INK, HPos::Left, VPos::Top))
            .draw()?;
        for mark in &self.marks {
            chart.draw_series(LineSeries::new([(*mark, low), (*mark, high)], LIMIT))?;
        }
        for (index, (label, points)) in self.curves.iter().enumerate() {
            let colour = CURVES[index % CURVES.len()];
            let seen = points.iter().copied().filter(|(_, value)| value.is_finite());
            chart
                .draw_series(LineSeries::new(seen, colour.stroke_width(2)))?
                .label(label)
                .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 14, y + 4)], colour.filled()));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE)
            .border_style(GRID)
            .label_font(style(13, INK, HPos::Left, VPos::Top))
            .draw()?;
        Ok(())
    }
}

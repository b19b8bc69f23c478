// Lines and bars on a canvas, sharp on every screen.

/** The canvas at the resolution of the screen, cleared; its width and height in CSS pixels. */
function cleared(canvas) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

function color(name) {
  return getComputedStyle(document.body).getPropertyValue(name).trim();
}

/** Numbers over time, the newest on the right; `most` of them fill the width. */
export function line(canvas, values, { most, low = Infinity, high = -Infinity }) {
  const { pen, width, height } = cleared(canvas);
  if (!width || !values.length) return;
  const least = Math.min(low, ...values);
  const span = Math.max(high, ...values) - least || 1;
  const x = (i) => width - 3 - ((values.length - 1 - i) * (width - 6)) / (most - 1);
  const y = (value) => height - 4 - ((value - least) / span) * (height - 8);
  pen.strokeStyle = color("--line");
  pen.beginPath();
  pen.moveTo(0, y(Math.min(Math.max(0, least), least + span)));
  pen.lineTo(width, y(Math.min(Math.max(0, least), least + span)));
  pen.stroke();
  pen.strokeStyle = pen.fillStyle = color("--accent");
  pen.lineWidth = 1.6;
  pen.lineJoin = "round";
  pen.beginPath();
  values.forEach((value, i) => (i ? pen.lineTo(x(i), y(value)) : pen.moveTo(x(i), y(value))));
  pen.stroke();
  pen.beginPath();
  pen.arc(x(values.length - 1), y(values.at(-1)), 2.6, 0, 2 * Math.PI);
  pen.fill();
}

/** A bar for each number, up or down from 0. */
export function bars(canvas, values) {
  const { pen, width, height } = cleared(canvas);
  const [low, high] = [Math.min(0, ...values), Math.max(1e-6, ...values)];
  const [step, unit] = [width / values.length, (height - 2) / (high - low)];
  pen.fillStyle = color("--accent");
  values.forEach((value, i) => {
    const top = height - 1 - (Math.max(value, 0) - low) * unit;
    pen.fillRect(i * step, top, Math.max(1, step - 1), Math.max(1, Math.abs(value) * unit));
  });
}

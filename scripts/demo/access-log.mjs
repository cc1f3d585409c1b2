// A web site's access log, made up: the same seed gives the same lines. Few clients ask often, many ask once; most
// answers are 200, some redirect, some are missing, a few fail.

const pages = ['/', '/about', '/docs/start', '/docs/hdfs', '/blog/2026/moving-house', '/downloads', '/search?q=flume']
const assets = ['/css/site.css', '/js/site.js', '/img/logo.png', '/favicon.ico', '/feed.xml']
const browsers = [
  'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5',
  'Mozilla/5.0 (compatible; examplebot/2.1; +http://www.example.org/bot.html)',
]
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const statuses = [
  [200, 0.86],
  [304, 0.06],
  [404, 0.04],
  [301, 0.025],
  [403, 0.008],
  [500, 0.005],
  [503, 0.002],
]

/** `count` lines of the combined log format, without line ends. */
export function accessLog(count, seed) {
  const random = generator(seed)
  const pick = (list) => list[Math.floor(random() * list.length)]
  const clients = Array.from({ length: 400 }, () =>
    [
      pick([31, 62, 81, 93, 141, 176, 188, 203]),
      ...Array.from({ length: 3 }, () => Math.floor(random() * 254) + 1),
    ].join('.'),
  )
  let timeMs = Date.UTC(2026, 4, 17, 10, 5, 3)
  return Array.from({ length: count }, () => {
    timeMs += Math.floor(random() * 900)
    // The third power crowds the low numbers: the first clients of the list are the busy ones.
    const client = clients[Math.floor(random() ** 3 * clients.length)]
    const status = weighted(statuses, random())
    const path = random() < 0.6 ? pick(pages) : pick(assets)
    const size = status === 304 ? '-' : String(Math.floor(200 + random() ** 2 * 60_000))
    const referrer = random() < 0.5 ? '-' : 'https://www.example.org/'
    return `${client} - - [${stamp(new Date(timeMs))}] "GET ${path} HTTP/1.1" ${status} ${size} "${referrer}" "${pick(browsers)}"`
  })
}

function weighted(choices, at) {
  let sum = 0
  for (const [value, weight] of choices) {
    sum += weight
    if (at < sum) return value
  }
  return choices[0][0]
}

/** `17/May/2026:10:05:03 +0000` */
function stamp(time) {
  const two = (number) => String(number).padStart(2, '0')
  const day = `${two(time.getUTCDate())}/${months[time.getUTCMonth()]}/${time.getUTCFullYear()}`
  return `${day}:${two(time.getUTCHours())}:${two(time.getUTCMinutes())}:${two(time.getUTCSeconds())} +0000`
}

/** Numbers from 0 up to 1, by xorshift32. */
function generator(seed) {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

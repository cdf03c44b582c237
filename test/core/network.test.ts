import t from 'tap'
import { networkOf } from '../../src/core/network.ts'

t.test('an IPv4 address is a place of its own', async (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
  t.not(networkOf('192.0.2.1'), networkOf('192.0.2.2'))
})

t.test('the addresses of one IPv6 /64 are one place, however they are written', async (t) => {
  for (const ip of [
    '2001:db8:1:2::1',
    '2001:DB8:0001:0002::ffff',
    '2001:db8:1:2:3:4:5:6',
    '2001:db8:1:2:0:0:0:0',
    '2001:db8:1:2::',
    '2001:db8:1:2::192.0.2.1',
  ])
    t.equal(networkOf(ip), '2001:db8:1:2', ip)
})

t.test('zeros that are left out are counted', async (t) => {
  t.equal(networkOf('::1'), '0:0:0:0')
  t.equal(networkOf('::'), '0:0:0:0')
  t.equal(networkOf('2001:db8::1'), '2001:db8:0:0')
  t.equal(networkOf('1::3:4:5:6:7:8'), '1:0:3:4')
  t.equal(networkOf('::2:3:4:5:6:7:8'), '0:2:3:4')
  t.equal(networkOf('1::3:4:5:6:192.0.2.1'), '1:0:3:4')
})

t.test('other networks are other places', async (t) => {
  const networks = ['2001:db8:1:2::1', '2001:db8:1:3::1', '2001:db8:2:2::1', '2001:db9:1:2::1', '::1']
  t.equal(new Set(networks.map(networkOf)).size, networks.length)
})

t.test('what is no address is itself', async (t) => {
  for (const text of ['unknown', '', '2001:db8::1::2', 'fe80::1%eth0', '[::1]'])
    t.equal(networkOf(text), text)
})

t.test('an IPv4 address that is written as one of IPv6 is the place that it names', async (t) => {
  for (const ip of ['::ffff:192.0.2.1', '::FFFF:c000:201', '0:0:0:0:0:ffff:192.0.2.1'])
    t.equal(networkOf(ip), networkOf('192.0.2.1'), ip)
  t.not(networkOf('::ffff:192.0.2.2'), networkOf('192.0.2.1'))
  t.equal(networkOf('::192.0.2.1'), '0:0:0:0', 'only in the form that is meant for it')
})

t.test('a network may be as wide as providers make it', async (t) => {
  t.equal(networkOf('2001:db8:1:ab12::1', 56), '2001:db8:1:ab00')
  t.equal(networkOf('2001:db8:1:abff::1', 48), '2001:db8:1:0')
  t.equal(networkOf('192.0.2.1', 56), '192.0.2.1')
})
